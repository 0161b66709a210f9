import { resolve } from "node:path";
import type { Command } from "commander";
import { onInterrupt } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { printLine } from "../terminal/output.ts";

/** `start`: the console with its embedded worker. Settings come by environment so that service managers can give them. */
export function registerStart(program: Command): void {
  program
    .command("start")
    .description("run the console: web pages, API and an embedded worker")
    .option("--port <port>", "TCP port (PORT, else 3000)")
    .option("--hostname <address>", "address to listen on (HOSTNAME_BIND, else all)")
    .option("--dev", "rebuild pages as their files change")
    .action(async (options: { port?: string; hostname?: string; dev?: boolean }) => {
      const port = Number(options.port ?? process.env["PORT"] ?? 3000);
      if (!Number.isInteger(port) || port < 0 || port > 65535)
        throw new UsageError(`The port must be a number from 0 to 65535, not ${options.port ?? process.env["PORT"]}.`);
      const dataDir = resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
      process.env["SUPRAVISOR_DATA_DIR"] = dataDir;
      const { startServer } = await import("#lib/server/main.ts");
      const hostname = options.hostname ?? process.env["HOSTNAME_BIND"];
      const databaseUrl = process.env["DATABASE_URL"];
      const server = await startServer({
        port,
        dataDir,
        dev: options.dev ?? false,
        ...(hostname === undefined ? {} : { hostname }),
        ...(databaseUrl === undefined || databaseUrl === "" ? {} : { databaseUrl }),
      });
      printLine(`Supravisor is at ${server.url}`);
      onInterrupt(() => {
        server.close().then(
          () => process.exit(0),
          () => process.exit(1),
        );
      });
    });
}
