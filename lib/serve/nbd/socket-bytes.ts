/** Exact numbers of bytes out of a socket, and its back-pressure on the way in. */
import { once } from "node:events";
import type { Socket } from "node:net";

/** The peer ended between two messages. */
export class PeerGone extends Error {}

export class SocketBytes {
  readonly socket: Socket;
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #sending: Promise<void> = Promise.resolve();
  readonly #notice = (): void => {
    this.#wake?.();
  };
  readonly #end = (): void => {
    this.#ended = true;
    this.#wake?.();
  };
  readonly #fail = (error: Error): void => {
    this.#error = error;
    this.#end();
  };

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("readable", this.#notice).on("end", this.#end).on("close", this.#end).on("error", this.#fail);
  }

  /** Leaves the socket to somebody else (TLS). False: bytes were sent before they were asked for. */
  release(): boolean {
    const { socket } = this;
    socket.off("readable", this.#notice).off("end", this.#end).off("close", this.#end);
    return socket.readableLength === 0;
  }

  /** Bytes that are here already. */
  get buffered(): number {
    return this.socket.readableLength;
  }

  /** Throws PeerGone at the end of the stream. At most as many bytes as the caller has bounded. */
  async take(length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const parts: Buffer[] = [];
    let missing = length;
    for (;;) {
      const available = Math.min(missing, this.socket.readableLength);
      const part = available === 0 ? null : (this.socket.read(available) as Buffer | null);
      if (part !== null) {
        parts.push(part);
        missing -= part.length;
        if (missing === 0) return parts.length === 1 ? part : Buffer.concat(parts, length);
        continue;
      }
      if (this.#ended || this.socket.destroyed) throw new PeerGone(this.#error?.message ?? "the peer went away");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        // A read of nothing asks for more to be buffered.
        this.socket.read(0);
      });
      this.#wake = null;
    }
  }

  /** Reads and forgets. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const part = Math.min(left, 65_536);
      await this.take(part);
      left -= part;
    }
  }

  /** Whole messages, one after another however many answer at once; resolves when the peer keeps up again. */
  send(...parts: readonly Uint8Array[]): Promise<void> {
    return this.sendThen(parts, () => undefined);
  }

  /** The same; `gone` is called when all parts have left and their memory is free. Never when the peer goes away first. */
  sendThen(parts: readonly Uint8Array[], gone: () => void): Promise<void> {
    const turn = this.#sending.then(async () => {
      if (this.socket.destroyed) throw new PeerGone("the peer went away");
      this.socket.cork();
      let flowing = true;
      for (const [i, part] of parts.entries()) {
        const last = i === parts.length - 1;
        flowing = last
          ? this.socket.write(part, (error) => {
              if (error === undefined || error === null) gone();
            })
          : this.socket.write(part);
      }
      this.socket.uncork();
      if (!flowing) await drained(this.socket);
    });
    this.#sending = turn.catch(() => undefined);
    return turn;
  }
}

async function drained(socket: Socket): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    await Promise.race([once(socket, "drain", { signal }), once(socket, "close", { signal })]);
  } catch {
    // An error event: the next write finds the socket destroyed.
  } finally {
    stop.abort();
  }
}
