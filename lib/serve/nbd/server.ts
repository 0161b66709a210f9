/** A read-only NBD export of one virtual file. */
import { createServer, type Server, type Socket } from "node:net";
import type { ServeTls } from "../tls.ts";
import type { VirtualFile } from "../virtual-file.ts";
import { negotiate, NbdRefusal } from "./handshake.ts";
import { PeerGone } from "./socket-bytes.ts";
import { transmit } from "./transmission.ts";

const MAX_CONNECTIONS = 64;
/** From the first byte to the end of the negotiation, TLS included. */
const HANDSHAKE_MS = 30_000;

export interface NbdServeOptions {
  readonly file: VirtualFile;
  /** With it, only clients that go over to TLS are served. */
  readonly tls: ServeTls | null;
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Not yet listening. Aborting the signal ends every connection. */
export function createNbdServer(options: NbdServeOptions): Server {
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => void converse(socket, options));
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function converse(socket: Socket, { file, tls, onError, signal }: NbdServeOptions): Promise<void> {
  const stop = (): void => void socket.destroy();
  // Always heard: an error between two messages must not end the process.
  socket.on("error", stop);
  signal.addEventListener("abort", stop, { once: true });
  const tooSlow = setTimeout(stop, HANDSHAKE_MS);
  try {
    const negotiated = await negotiate(socket, file, tls);
    clearTimeout(tooSlow);
    if (negotiated !== null) {
      await transmit(negotiated, file, signal, onError);
      negotiated.bytes.socket.end();
    }
    socket.end();
  } catch (error) {
    if (!(error instanceof PeerGone) && !(error instanceof NbdRefusal) && !signal.aborted) onError(error);
    socket.destroy();
  } finally {
    clearTimeout(tooSlow);
    signal.removeEventListener("abort", stop);
  }
}
