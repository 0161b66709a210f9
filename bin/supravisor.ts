/** The command line. Exit codes: 0 done, 1 failed, 2 bad usage. Results on stdout, progress and errors on stderr. */
import { Command, CommanderError } from "commander";
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
import { fileError } from "#lib/disk/files/file-error.ts";
import { productVersion } from "#lib/version.ts";
import { printError } from "./terminal/print-error.ts";

const program = new Command("supravisor")
  .description("One console above VMware, Hyper-V, Xen, KVM and VirtualBox.")
  .version(productVersion)
  .exitOverride()
  .showHelpAfterError("(supravisor help COMMAND tells more)");

// `… | head` and the like: whoever read the results has gone, and nobody is left to tell. Whoever sends a disk there
// listens as well, and tells.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exitCode = 1;
  if (error.code === "EPIPE" || process.stdout.listenerCount("error") > 1) return;
  printError(fileError(error, "Writing to standard output", "torn"), process.argv.includes("--json"));
});

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

/** Sub-commands do not inherit exitOverride; without it commander exits with 1 on bad usage. */
function overrideExit(command: Command): void {
  for (const child of command.commands) {
    child.exitOverride();
    overrideExit(child);
  }
}
overrideExit(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = printError(error, process.argv.includes("--json"));
  }
}
