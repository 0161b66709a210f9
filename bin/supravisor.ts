/** The command line. Exit codes: 0 done, 1 failed, 2 bad usage. Results on stdout, progress and errors on stderr. */
import { CommanderError } from "commander";
import { fileError } from "#lib/disk/files/file-error.ts";
import { makeProgram } from "./program.ts";
import { printError } from "./terminal/print-error.ts";

const program = makeProgram();

// `… | head` and the like: whoever read the results has gone, and nobody is left to tell. Whoever sends a disk there
// listens as well, and tells.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exitCode = 1;
  if (error.code === "EPIPE" || process.stdout.listenerCount("error") > 1) return;
  printError(fileError(error, "Writing to standard output", "torn"), process.argv.includes("--json"));
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = printError(error, process.argv.includes("--json"));
  }
}
