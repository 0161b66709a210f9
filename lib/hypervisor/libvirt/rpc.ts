/**
 * libvirt's RPC over any stream: calls by serial, events, streams with holes, keepalive.
 * Framing and types: libvirt's docs/kbase/internals/rpc and src/rpc/virnetprotocol.x.
 */
import type { Duplex } from "node:stream";
import { AppError } from "#lib/errors.ts";
import { XdrReader } from "#lib/wire/xdr/reader.ts";
import { XdrWriter } from "#lib/wire/xdr/writer.ts";
import { Frames } from "./frames.ts";
import { readError } from "./libvirt-error.ts";
import { KEEPALIVE_PROGRAM, PROGRAM } from "./procedures.ts";
import { type StreamItem, StreamQueue } from "./stream-queue.ts";
import { LIMITS } from "./types.ts";

const CALL = 0;
const REPLY = 1;
const MESSAGE = 2;
const STREAM = 3;
const STREAM_HOLE = 6;
const OK = 0;
const ERROR = 1;
const CONTINUE = 2;
const HEADER = 28;
/** virNetMessage's own limit. */
const MAX_MESSAGE = 32 * 1024 * 1024;
/** Old servers take no more in one stream packet. */
export const MAX_STREAM_DATA = 262_120;
/** Bytes of streams that wait to be taken. */
const MOST_QUEUED = 32 * 1024 * 1024;
const CALL_MS = 60_000;
/** Bytes of ours that a host may leave unread before its pings are no longer answered. */
const MOST_UNREAD = 64 * 1024;
const KEEPALIVE_MS = 5_000;
/** Silence for so long, in spite of pings: the peer is gone. */
const DEAD_MS = 30_000;

interface Message {
  readonly program: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
  readonly payload: Buffer;
}

interface OpenStream {
  readonly procedure: number;
  readonly items: StreamQueue;
  ended: boolean;
  finished: boolean;
  error: unknown;
  wake: () => void;
}

interface Waiting {
  resolve(reader: XdrReader): void;
  reject(error: unknown): void;
}

export class LibvirtRpc {
  readonly #socket: Duplex;
  readonly #name: string;
  readonly #callMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #events = new Set<(procedure: number, payload: Buffer) => void>();
  readonly #closed = new Set<(error: AppError) => void>();
  #serial = 0;
  readonly #frames = new Frames({ least: HEADER, most: MAX_MESSAGE }, (whole) => this.#read(whole));
  #dead: AppError | null = null;
  #lastHeard = Date.now();
  /** Bytes of streams that wait to be taken, and whether the host waits for that. */
  #queued = 0;
  #held = false;
  #keepalive: NodeJS.Timeout | null = null;

  /** `callMs`: how long a call waits for its answer. */
  constructor(socket: Duplex, name: string, callMs = CALL_MS) {
    this.#socket = socket;
    this.#name = name;
    this.#callMs = callMs;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error: Error) => this.#die(error));
    socket.on("end", () => this.#die(null));
    socket.on("close", () => this.#die(null));
  }

  /** After connectOpen: from then on the server answers pings. */
  startKeepalive(): void {
    this.#keepalive = setInterval(() => {
      if (!this.#held && Date.now() - this.#lastHeard > DEAD_MS) {
        this.#socket.destroy();
        this.#die(new Error("no sign of life for 30 seconds"));
        return;
      }
      this.#send(KEEPALIVE_PROGRAM, 1, MESSAGE, 0, OK, Buffer.alloc(0));
    }, KEEPALIVE_MS);
    this.#keepalive.unref();
  }

  onEvent(listener: (procedure: number, payload: Buffer) => void): () => void {
    this.#events.add(listener);
    return () => this.#events.delete(listener);
  }

  onClosed(listener: (error: AppError) => void): () => void {
    this.#closed.add(listener);
    if (this.#dead !== null) listener(this.#dead);
    return () => this.#closed.delete(listener);
  }

  close(): void {
    this.#die(null);
    this.#socket.destroy();
  }

  /** Throws LibvirtError, `host.unreachable`, `host.timeout`, or the signal's reason. */
  async call<T>(
    procedure: number,
    args: XdrWriter | null,
    read: (reader: XdrReader) => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return read(await this.#call(this.#nextSerial(), procedure, args, signal));
  }

  async #call(serial: number, procedure: number, args: XdrWriter | null, signal?: AbortSignal): Promise<XdrReader> {
    signal?.throwIfAborted();
    if (this.#dead !== null) throw this.#dead;
    return new Promise<XdrReader>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#waiting.delete(serial);
      };
      const timer = setTimeout(() => {
        done();
        reject(
          new AppError(
            "unavailable",
            "host.timeout",
            `${this.#name} did not answer within ${this.#callMs / 1000} seconds.`,
            { hint: "Look at the host's libvirt." },
          ),
        );
      }, this.#callMs);
      const onAbort = (): void => {
        done();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(serial, {
        resolve: (reader) => {
          done();
          resolve(reader);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      this.#send(PROGRAM, procedure, CALL, serial, OK, args?.bytes() ?? Buffer.alloc(0));
    });
  }

  /** Calls a procedure that opens a stream under the call's serial. */
  async openStream(procedure: number, args: XdrWriter, signal?: AbortSignal): Promise<RpcStream> {
    const serial = this.#nextSerial();
    const state: OpenStream = {
      procedure,
      items: new StreamQueue((waiting) => this.#balance(waiting)),
      ended: false,
      finished: false,
      error: null,
      wake: () => undefined,
    };
    this.#streams.set(serial, state);
    try {
      await this.#call(serial, procedure, args, signal);
    } catch (error) {
      this.#forget(serial);
      throw error;
    }
    const send = async (type: number, status: number, payload: Buffer): Promise<void> => {
      if (state.error !== null) throw state.error;
      if (this.#dead !== null) throw this.#dead;
      if (!this.#send(PROGRAM, procedure, type, serial, status, payload)) await this.#drained(signal);
    };
    const settled = async (until: () => boolean, stop?: AbortSignal): Promise<void> => {
      for (;;) {
        if (state.error !== null) throw state.error;
        if (until()) return;
        if (this.#dead !== null) throw this.#dead;
        stop?.throwIfAborted();
        await new Promise<void>((resolve) => {
          const onAbort = (): void => resolve();
          stop?.addEventListener("abort", onAbort, { once: true });
          state.wake = () => {
            stop?.removeEventListener("abort", onAbort);
            resolve();
          };
        });
      }
    };
    return {
      async write(bytes) {
        for (let at = 0; at < bytes.length; at += MAX_STREAM_DATA) {
          await send(
            STREAM,
            CONTINUE,
            Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(MAX_STREAM_DATA, bytes.length - at)),
          );
        }
      },
      hole: (length) => send(STREAM_HOLE, CONTINUE, new XdrWriter().hyper(length).uint(0).bytes()),
      async next(stop) {
        await settled(() => !state.items.empty || state.ended, stop);
        return state.items.take();
      },
      finish: async (stop) => {
        await send(STREAM, OK, Buffer.alloc(0));
        await settled(() => state.finished, stop);
        this.#forget(serial);
      },
      abort: () => {
        if (!this.#forget(serial) || state.finished || this.#dead !== null) return;
        this.#send(PROGRAM, procedure, STREAM, serial, ERROR, Buffer.alloc(0));
      },
    };
  }

  /** Whether the stream was open. */
  #forget(serial: number): boolean {
    this.#streams.get(serial)?.items.clear();
    return this.#streams.delete(serial);
  }

  /** A host that sends faster than its bytes are taken waits, once enough of them are here. */
  #balance(change: number): void {
    this.#queued += change;
    if (!this.#held && this.#queued > MOST_QUEUED) {
      this.#held = true;
      this.#socket.pause();
    } else if (this.#held && this.#queued < MOST_QUEUED / 2) {
      this.#held = false;
      // Its silence was ours.
      this.#lastHeard = Date.now();
      this.#socket.resume();
    }
  }

  #nextSerial(): number {
    this.#serial = (this.#serial + 1) % 0xffffffff;
    return this.#serial;
  }

  #drained(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#socket.removeListener("drain", onDrain);
        signal?.removeEventListener("abort", onAbort);
        off();
      };
      const onDrain = (): void => {
        done();
        resolve();
      };
      const onAbort = (): void => {
        done();
        reject(signal?.reason);
      };
      let off: () => void = () => undefined;
      this.#socket.once("drain", onDrain);
      signal?.addEventListener("abort", onAbort, { once: true });
      off = this.onClosed((error) => {
        this.#socket.removeListener("drain", onDrain);
        signal?.removeEventListener("abort", onAbort);
        reject(error);
      });
    });
  }

  #send(program: number, procedure: number, type: number, serial: number, status: number, payload: Buffer): boolean {
    const header = Buffer.alloc(HEADER);
    header.writeUInt32BE(HEADER + payload.length, 0);
    header.writeUInt32BE(program, 4);
    header.writeUInt32BE(1, 8);
    header.writeInt32BE(procedure, 12);
    header.writeInt32BE(type, 16);
    header.writeUInt32BE(serial, 20);
    header.writeInt32BE(status, 24);
    if (payload.length < 4096) return this.#socket.write(Buffer.concat([header, payload]));
    this.#socket.write(header);
    // The caller uses its buffer again once write() is back; what waits in the socket must be a copy.
    return this.#socket.write(Buffer.from(payload));
  }

  #take(chunk: Buffer): void {
    this.#lastHeard = Date.now();
    try {
      this.#frames.feed(chunk);
    } catch (error) {
      this.#socket.destroy();
      this.#die(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #read(whole: Buffer): void {
    this.#handle({
      program: whole.readUInt32BE(4),
      procedure: whole.readInt32BE(12),
      type: whole.readInt32BE(16),
      serial: whole.readUInt32BE(20),
      status: whole.readInt32BE(24),
      payload: whole.subarray(HEADER),
    });
  }

  #handle(message: Message): void {
    if (message.program === KEEPALIVE_PROGRAM) {
      // One that pings and reads nothing would have its answers pile up here.
      if (message.procedure === 1 && this.#socket.writableLength < MOST_UNREAD)
        this.#send(KEEPALIVE_PROGRAM, 2, MESSAGE, 0, OK, Buffer.alloc(0));
      return;
    }
    if (message.program !== PROGRAM) return;
    if (message.type === REPLY) {
      const waiting = this.#waiting.get(message.serial);
      if (waiting === undefined) {
        // A stream's failure may come as a late reply to the call that opened it.
        if (message.status === ERROR) this.#failStream(message);
        return;
      }
      if (message.status === ERROR) waiting.reject(readError(new XdrReader(message.payload, LIMITS)));
      else waiting.resolve(new XdrReader(message.payload, LIMITS));
    } else if (message.type === MESSAGE) {
      for (const listener of this.#events) listener(message.procedure, message.payload);
    } else if (message.type === STREAM || message.type === STREAM_HOLE) {
      this.#handleStream(message);
    }
  }

  #failStream(message: Message): void {
    const stream = this.#streams.get(message.serial);
    if (stream === undefined) return;
    stream.error =
      message.payload.length > 0
        ? readError(new XdrReader(message.payload, LIMITS))
        : new AppError("unavailable", "host.refused", `${this.#name} gave the transfer up.`);
    this.#forget(message.serial);
    stream.wake();
  }

  #handleStream(message: Message): void {
    const stream = this.#streams.get(message.serial);
    if (stream === undefined) return;
    if (message.status === ERROR) {
      this.#failStream(message);
      return;
    }
    if (message.status === OK) {
      stream.ended = true;
      stream.finished = true;
    } else if (message.type === STREAM_HOLE) {
      stream.items.add({ type: "hole", length: new XdrReader(message.payload, LIMITS).hyper() });
    } else if (message.payload.length === 0) {
      stream.ended = true;
    } else {
      stream.items.add({ type: "data", bytes: Buffer.from(message.payload) });
    }
    stream.wake();
  }

  #die(cause: Error | null): void {
    if (this.#dead !== null) return;
    const error = new AppError(
      "unavailable",
      "host.unreachable",
      `The connection to ${this.#name} was lost${cause === null ? "" : `: ${cause.message}`}.`,
      {
        hint: "Check the host and the network between.",
        ...(cause === null ? {} : { cause }),
      },
    );
    this.#dead = error;
    if (this.#keepalive !== null) clearInterval(this.#keepalive);
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
    for (const stream of this.#streams.values()) stream.wake();
    for (const listener of this.#closed) listener(error);
  }
}

/** One open stream. Data and holes come and go in order; one reader or writer at a time. */
export interface RpcStream {
  write(bytes: Uint8Array): Promise<void>;
  hole(length: number): Promise<void>;
  /** Null: the end. */
  next(signal?: AbortSignal): Promise<StreamItem | null>;
  /** Waits for the other side's word that all went well. */
  finish(signal?: AbortSignal): Promise<void>;
  /** Gives the stream up; the connection stays. */
  abort(): void;
}
