/** All commands. What stands before a command's name is the program's, what follows is the command's. */
import { Command } from "commander";
import { registerCompare } from "./commands/compare.ts";
import { registerConvert } from "./commands/convert.ts";
import { registerDeploy } from "./commands/deploy.ts";
import { registerFingerprint } from "./commands/fingerprint.ts";
import { registerImageImport } from "./commands/image-import.ts";
import { registerInspect } from "./commands/inspect.ts";
import { registerLibrary } from "./commands/library.ts";
import { registerLists } from "./commands/lists.ts";
import { registerLogin } from "./commands/login.ts";
import { registerServe } from "./commands/serve.ts";
import { registerStart } from "./commands/start.ts";
import { registerWorker } from "./commands/worker.ts";
import { productVersion } from "#lib/version.ts";
import { printable } from "./terminal/printable.ts";

export function makeProgram(): Command {
  const program = new Command("supravisor")
    .description("One console above VMware, Hyper-V, Xen, KVM and VirtualBox.")
    .version(productVersion)
    // Otherwise `deploy --version 1` would be the program's own --version.
    .enablePositionalOptions()
    .showHelpAfterError("(supravisor help COMMAND tells more)");
  registerStart(program);
  registerWorker(program);
  registerConvert(program);
  registerInspect(program);
  registerFingerprint(program);
  registerCompare(program);
  registerServe(program);
  registerLogin(program);
  registerLists(program);
  registerLibrary(program);
  registerImageImport(program);
  registerDeploy(program);
  settle(program);
  return program;
}

/** Sub-commands do not inherit exitOverride; without it commander exits with 1 on bad usage. */
function settle(command: Command): void {
  command.exitOverride().allowExcessArguments(false).configureOutput({ outputError });
  for (const child of command.commands) settle(child);
}

/** What is not understood comes back in the message, and may be the name of anything. */
function outputError(text: string, write: (text: string) => void): void {
  write(text.split("\n").map(printable).join("\n"));
}
