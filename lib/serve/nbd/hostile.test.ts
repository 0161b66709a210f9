/** What a client of NBD sends: in time with its bytes, however it cuts them. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import type { VirtualFile } from "../virtual-file.ts";
import { negotiate, NbdRefusal } from "./handshake.ts";
import { transmit } from "./transmission.ts";

const file: VirtualFile = {
  name: "disk.raw",
  length: 2 ** 40,
  *stretches(from, to) {
    yield { at: from, length: to - from, zero: false };
  },
  read: async (_offset, into) => void into.fill(1),
};

/** A client that sends this in pieces of so many bytes, and forgets what it is told. */
function client(bytes: Buffer, piece: number): Socket {
  let at = 0;
  const socket = new Duplex({
    read() {
      this.push(at < bytes.length ? bytes.subarray(at, at + piece) : null);
      at += piece;
    },
    write: (_chunk, _encoding, done) => done(),
  });
  return socket as unknown as Socket;
}

async function serve({ bytes, piece }: { readonly bytes: Buffer; readonly piece: number }): Promise<void> {
  const negotiated = await negotiate(client(bytes, piece), file, null);
  if (negotiated !== null) await transmit(negotiated, file, new AbortController().signal, () => undefined);
}

const HELLO = Buffer.from([0, 0, 0, 3]);
function option(kind: number, data: Buffer, length = data.length): Buffer {
  const head = Buffer.from("49484156454f50540000000000000000", "hex");
  head.writeUInt32BE(kind, 8);
  head.writeUInt32BE(length, 12);
  return Buffer.concat([head, data]);
}
const GO = option(7, Buffer.alloc(6));
const STRUCTURED = option(8, Buffer.alloc(0));
function request(type: number, length: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(28);
  head.writeUInt32BE(0x25609513);
  head.writeUInt16BE(type, 6);
  head.writeUInt32BE(length, 24);
  return Buffer.concat([head, data]);
}
/** An option with the contexts of an export. */
function contexts(count: number): Buffer {
  const data = Buffer.alloc(8 + count * 4);
  data.writeUInt32BE(count, 4);
  return option(10, data);
}
const talk =
  (start: readonly Buffer[], unit: Buffer, piece = 65_536) =>
  (length: number) => ({
    bytes: Buffer.concat([HELLO, ...start, Buffer.alloc(Math.ceil(length / unit.length) * unit.length, unit)]),
    piece,
  });

describe("a client of NBD", () => {
  growsLinearly({
    parse: serve,
    worst: {
      "options that nobody knows": talk([], option(0x7fff_ffff, Buffer.alloc(0))),
      "options in single bytes": talk([], option(0x7fff_ffff, Buffer.alloc(1000)), 1),
      "options that are too long, in single bytes": talk([], option(6, Buffer.alloc(100_000)), 1),
      "contexts of many empty names": talk([STRUCTURED], contexts(16_000)),
      "reads of nothing": talk([GO], request(0, 0)),
      "reads of one byte": talk([GO], request(0, 1)),
      "requests in single bytes": talk([GO], request(3, 0), 1),
      "writes, which are refused": talk([GO], request(1, 1000, Buffer.alloc(1000))),
      "questions after nothing": talk([STRUCTURED, contexts(1), GO], request(7, 0)),
    },
    most: 1024 ** 2,
  });

  it("is hung up on for an option that is longer than any", async () => {
    const bytes = Buffer.concat([HELLO, option(6, Buffer.alloc(0), 0xffff_ffff)]);
    await expect(serve({ bytes, piece: 65_536 })).rejects.toBeInstanceOf(NbdRefusal);
  });
});
