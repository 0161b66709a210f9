/** The ways to a libvirt daemon: its socket here, its socket through SSH, its TLS port. */
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import { forwardToSocket, openSsh, readHostKey, runAsStream } from "#lib/wire/ssh/open-ssh.ts";
import { posixWord } from "#lib/wire/ssh/posix-word.ts";
import { openTls } from "#lib/wire/tls/open-tls.ts";

export interface Transport {
  readonly stream: Duplex;
  /** For messages. */
  readonly name: string;
  close(): void;
}

/** The monolithic daemon's socket, then the modular one's for the driver of the URI (`virtqemud`, `virtxend`). */
function usualSockets(uri: string): string[] {
  const driver = uri.slice(0, uri.indexOf(":"));
  return ["/run/libvirt/libvirt-sock", "/var/run/libvirt/libvirt-sock", `/run/libvirt/virt${driver}d-sock`];
}
const CONNECT_MS = 10_000;
/** A helper that cannot reach the daemon ends at once. */
const SETTLE_MS = 1500;

export function openTransport(
  connection: LibvirtConnection,
  secret: HostSecret | null,
  uri: string,
  signal?: AbortSignal,
): Promise<Transport> {
  switch (connection.transport) {
    case "unix":
      return openUnix(connection.socket, signal);
    case "ssh":
      return openThroughSsh(connection, secret, uri, signal);
    case "tls":
      return openLibvirtTls(connection, secret, signal);
  }
}

async function openUnix(path: string, signal?: AbortSignal): Promise<Transport> {
  const stream = await new Promise<Duplex>((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = createConnection({ path });
    // Not the socket's own `signal`: that one would end the connection whenever it aborts, long after the opening.
    const onAbort = (): void => void socket.destroy(new Error("cancelled"));
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error("no answer")));
    socket.once("connect", () => {
      socket.setTimeout(0);
      signal?.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    socket.once("error", (error) => {
      signal?.removeEventListener("abort", onAbort);
      reject(error);
    });
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "EACCES") {
      throw new AppError("unprocessable", "host.auth-failed", `This process may not open ${path}.`, {
        hint: "Add its user to the group libvirt, or run it as root.",
        cause,
      });
    }
    throw new AppError("unavailable", "host.unreachable", `No libvirt answers at ${path}.`, {
      hint: "Is libvirtd, or the modular daemon of this hypervisor, running?",
      cause,
    });
  });
  return { stream, name: path, close: () => stream.destroy() };
}

async function openThroughSsh(
  connection: Extract<LibvirtConnection, { transport: "ssh" }>,
  secret: HostSecret | null,
  uri: string,
  signal?: AbortSignal,
): Promise<Transport> {
  const client = await openSsh(connection, secret, signal);
  const name = `libvirt on ${connection.host}`;
  const reasons: string[] = [];
  const sockets = connection.socket === null ? usualSockets(uri) : [connection.socket];
  const attempts: (() => Promise<Duplex>)[] = [
    ...sockets.map((path) => () => forwardToSocket(client, path)),
    ...(connection.socket === null ? [() => runAsStream(client, `virt-ssh-helper ${uri}`, SETTLE_MS)] : []),
    ...sockets.map((path) => () => runAsStream(client, `nc -U ${posixWord(path)}`, SETTLE_MS)),
  ];
  for (const attempt of attempts) {
    signal?.throwIfAborted();
    try {
      const stream = await attempt();
      stream.once("close", () => client.end());
      return {
        stream,
        name,
        close: () => {
          stream.destroy();
          client.end();
        },
      };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  client.end();
  throw new AppError(
    "unavailable",
    "host.unreachable",
    `${connection.host} lets ${connection.user} in by SSH, but no libvirt answers there: ${[...new Set(reasons)].join("; ")}.`,
    {
      hint: "The user must be in the group libvirt, and libvirtd, or the modular daemon of this hypervisor, must run.",
    },
  );
}

async function openLibvirtTls(
  connection: Extract<LibvirtConnection, { transport: "tls" }>,
  secret: HostSecret | null,
  signal?: AbortSignal,
): Promise<Transport> {
  const socket = await openTls(
    {
      host: connection.host,
      port: connection.port,
      certificate: connection.certificate,
      ca: connection.caCertificate,
      clientCertificate: connection.clientCertificate,
      clientKey: secret?.clientKey ?? null,
    },
    signal,
  );
  const where = `${connection.host}:${connection.port}`;
  // libvirt says with one byte whether it takes the client's certificate, before any message.
  const verdict = await new Promise<Buffer>((resolve, reject) => {
    socket.setTimeout(CONNECT_MS, () => reject(new Error("no answer")));
    socket.once("readable", () => {
      const byte = socket.read(1) as Buffer | null;
      if (byte === null) reject(new Error("closed"));
      else resolve(byte);
    });
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("closed")));
  }).catch((cause: unknown) => {
    socket.destroy();
    throw new AppError("unprocessable", "host.auth-failed", `${where} does not accept the client certificate.`, {
      hint: "It must be signed by the CA that the host trusts, and be allowed in libvirtd.conf.",
      cause,
    });
  });
  socket.setTimeout(0);
  socket.removeAllListeners("end");
  if (verdict[0] !== 1) {
    socket.destroy();
    throw new AppError("unprocessable", "host.auth-failed", `${where} does not accept the client certificate.`, {
      hint: "It must be signed by the CA that the host trusts.",
    });
  }
  return { stream: socket, name: `libvirt on ${where}`, close: () => socket.destroy() };
}

/** What the peer shows as its identity; null for a socket on this machine. */
export async function identifyPeer(
  connection: LibvirtConnection,
  signal?: AbortSignal,
): Promise<{ kind: "ssh-host-key" | "tls-certificate"; fingerprint: string } | null> {
  if (connection.transport === "unix") return null;
  if (connection.transport === "ssh")
    return { kind: "ssh-host-key", fingerprint: await readHostKey(connection, signal) };
  try {
    const socket = await openTls(
      { ...connection, certificate: null, ca: null, clientKey: null, clientCertificate: null },
      signal,
    );
    socket.destroy();
  } catch (error) {
    const found =
      error instanceof AppError && error.code === "host.identity-unconfirmed"
        ? error.details?.["fingerprint"]
        : undefined;
    if (typeof found === "string") return { kind: "tls-certificate", fingerprint: found };
    throw error;
  }
  return null;
}
