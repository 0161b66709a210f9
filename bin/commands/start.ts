import { resolve } from "node:path";
import type { Command } from "commander";
import { databaseWaitMs } from "../terminal/database-wait.ts";
import { UsageError } from "../terminal/print-error.ts";
import { printLine } from "../terminal/output.ts";
import { runUntilStopped } from "../terminal/run-until-stopped.ts";

interface StartOptions {
  readonly port?: string;
  readonly hostname?: string;
  readonly dev?: boolean;
  readonly newDatabase?: boolean;
  readonly acceptNewKey?: boolean;
}

/** `start`: the console with its embedded worker. Settings come by environment so that service managers can give them. */
export function registerStart(program: Command): void {
  program
    .command("start")
    .description("run the console: web pages, API and an embedded worker")
    .option("--port <port>", "TCP port (PORT, else 3000)")
    .option("--hostname <address>", "address to listen on (HOSTNAME_BIND, else all)")
    .option("--dev", "rebuild pages as their files change")
    .option(
      "--new-database",
      "begin with an empty database although the data folder belongs to an installation (SUPRAVISOR_NEW_DATABASE=1)",
    )
    .option(
      "--accept-new-key",
      "the key of the stored secrets is lost: go on with the one at hand (SUPRAVISOR_ACCEPT_NEW_KEY=1)",
    )
    .action(async (options: StartOptions) => {
      const port = Number(options.port ?? process.env["PORT"] ?? 3000);
      if (!Number.isInteger(port) || port < 0 || port > 65535)
        throw new UsageError(`The port must be a number from 0 to 65535, not ${options.port ?? process.env["PORT"]}.`);
      // Nobody else has a use for what is written: keys, images, the database.
      process.umask(0o077);
      const dataDir = resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
      process.env["SUPRAVISOR_DATA_DIR"] = dataDir;
      const { startServer } = await import("#lib/server/main.ts");
      const hostname = options.hostname ?? process.env["HOSTNAME_BIND"];
      const databaseUrl = process.env["DATABASE_URL"];
      await runUntilStopped(async (signal) => {
        const server = await startServer({
          port,
          dataDir,
          dev: options.dev ?? false,
          newDatabase: options.newDatabase ?? process.env["SUPRAVISOR_NEW_DATABASE"] === "1",
          acceptNewKey: options.acceptNewKey ?? process.env["SUPRAVISOR_ACCEPT_NEW_KEY"] === "1",
          waitMs: databaseWaitMs(),
          signal,
          ...(hostname === undefined ? {} : { hostname }),
          ...(databaseUrl === undefined || databaseUrl === "" ? {} : { databaseUrl }),
        });
        printLine(`Supravisor is at ${server.url}`);
        if (server.setupUrl !== null) printLine(`Create the first administrator: ${server.setupUrl}`);
        return server;
      });
    });
}
