import { once } from "node:events";
import { basename, extname } from "node:path";
import type { AddressInfo, Server } from "node:net";
import type { Command } from "commander";
import { DISK_FORMATS } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { createFileServer } from "#lib/serve/http-server.ts";
import { createNbdServer } from "#lib/serve/nbd/server.ts";
import { readServeTls } from "#lib/serve/tls.ts";
import { planVirtualFile } from "#lib/serve/virtual-file.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { collectOption, parseFormat, parseSourceFormat } from "./convert.ts";
import { printJson, printLine } from "../terminal/output.ts";

interface ServeOptions {
  readonly as: string;
  readonly from?: string;
  readonly disk?: string;
  readonly acceptDirty?: boolean;
  readonly option: Record<string, unknown>;
  readonly nbd?: boolean;
  readonly host: string;
  readonly port?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly json?: boolean;
}

function parsePort(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new UsageError(`“${text}” is no port.`);
  return port;
}

/** Throws `serve.cannot-listen`. */
async function listening(server: Server, host: string, port: number): Promise<AddressInfo> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new AppError(
      "unavailable",
      "serve.cannot-listen",
      `Cannot listen on ${host} port ${port}: ${cause instanceof Error ? cause.message : "unknown reason"}.`,
      { hint: "Choose another port by --port, or another address by --host.", cause },
    );
  }
  return server.address() as AddressInfo;
}

export function registerServe(program: Command): void {
  program
    .command("serve <source>")
    .description("give an image out in another format before it exists: over HTTP with ranges, or as an NBD export")
    .requiredOption("--as <format>", `format: ${DISK_FORMATS.join(", ")}`)
    .option("--from <format>", "source format, when content cannot tell (raw)")
    .option("--accept-dirty", "read a source that was not closed cleanly as it is")
    .option("--disk <number>", "which disk of a package (OVA, OVF, XVA): its number or name")
    .option("--option <name=value>", "option of the format, as qemu-img calls it", collectOption, {})
    .option("--nbd", "NBD instead of HTTP")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <port>", "port; 0 takes any that is free (default: 8080, for NBD 10809)")
    .option("--tls-cert <file>", "PEM certificate: clients must use TLS")
    .option("--tls-key <file>", "PEM key of the certificate")
    .option("--tls-client-ca <file>", "PEM: only clients with a certificate of this CA")
    .option("--json", "print the address as JSON")
    .addHelpText(
      "after",
      "\nOver HTTP, SUPRAVISOR_SERVE_TOKEN in the environment makes clients need `Authorization: Bearer TOKEN`.",
    )
    .action(async (source: string, options: ServeOptions) => {
      const signal = interruptSignal();
      const as = parseFormat(options.as);
      const port = parsePort(options.port, options.nbd === true ? 10_809 : 8080);
      if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
        throw new UsageError("--tls-cert and --tls-key belong together.");
      if (options.tlsClientCa !== undefined && options.tlsCert === undefined)
        throw new UsageError("--tls-client-ca needs --tls-cert and --tls-key.");
      const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = options;
      const tls =
        cert === undefined || key === undefined
          ? null
          : await readServeTls({ cert, key, ...(clientCa === undefined ? {} : { clientCa }) });
      await using opened = await openInspection(source, {
        signal,
        acceptDirty: options.acceptDirty ?? false,
        ...(options.from === undefined ? {} : { from: parseSourceFormat(options.from) }),
        ...(options.disk === undefined ? {} : { disk: options.disk }),
      });
      const file = await planVirtualFile({
        disk: opened.disk,
        name: `${basename(source, extname(source))}.${as}`,
        format: as,
        options: options.option,
        signal,
      });
      const onError = (error: unknown): void => {
        printLine(`supravisor: ${error instanceof Error ? error.message : String(error)}`, process.stderr);
      };
      const server =
        options.nbd === true
          ? createNbdServer({ file, tls, onError, signal })
          : createFileServer({ file, tls, token: process.env["SUPRAVISOR_SERVE_TOKEN"] || null, onError });
      const at = await listening(server, options.host, port);
      const host = at.family === "IPv6" ? `[${at.address}]` : at.address;
      const scheme = options.nbd === true ? (tls === null ? "nbd" : "nbds") : tls === null ? "http" : "https";
      const url = `${scheme}://${host}:${at.port}/${encodeURIComponent(file.name)}`;
      if (options.json === true) printJson({ url, length: file.length, format: as, virtualSize: opened.disk.size });
      else printLine(`${url}  ${formatBytes(file.length)} (${file.length} bytes); Ctrl-C ends it.`);
      if (!signal.aborted) await once(signal, "abort");
      if ("closeAllConnections" in server) server.closeAllConnections();
      const closed = once(server, "close");
      server.close();
      await closed;
    });
}
