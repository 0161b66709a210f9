import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { growsLinearly } from "#lib/testing/growth.ts";
import { hostileXml } from "#lib/testing/hostile-text.ts";
import { XdrReader } from "#lib/wire/xdr/reader.ts";
import { XdrWriter } from "#lib/wire/xdr/writer.ts";
import { Frames } from "./frames.ts";
import { mapDomain, mapSnapshot } from "./map-domain.ts";
import { PROC, PROGRAM } from "./procedures.ts";
import { LibvirtRpc } from "./rpc.ts";
import { StreamQueue } from "./stream-queue.ts";
import { LIMITS, readDomain } from "./types.ts";

const HEADER = 28;

function frame(type: number, serial: number, status: number, payload: Buffer, procedure = 1): Buffer {
  const header = Buffer.alloc(HEADER);
  [HEADER + payload.length, PROGRAM, 1, procedure, type, serial, status].forEach((value, i) =>
    header.writeUInt32BE(value, i * 4),
  );
  return Buffer.concat([header, payload]);
}

/** A peer that says what it is given to say, piece by piece as a socket does; what is said to it is forgotten. */
function hostile(): { rpc: LibvirtRpc; say: (bytes: Buffer) => void; unsaid: Buffer[] } {
  const unsaid: Buffer[] = [];
  let wanted = false;
  const give = (): void => {
    while (wanted && unsaid.length > 0) wanted = socket.push(unsaid.shift());
  };
  const socket = new Duplex({
    read: () => {
      wanted = true;
      give();
    },
    write: (_chunk, _encoding, done) => done(),
  });
  const say = (bytes: Buffer): void => {
    unsaid.push(bytes);
    give();
  };
  return { rpc: new LibvirtRpc(socket, "the host"), say, unsaid };
}

describe("XML of a libvirt host", () => {
  growsLinearly({ parse: (text: string) => mapDomain(text, 1, []), worst: hostileXml("domain") });
  growsLinearly({
    parse: (text: string) => mapSnapshot(text),
    worst: { "a snapshot of attributes": (n) => `<domainsnapshot ${"a='>' ".repeat(n / 6)}/>` },
  });
});

describe("messages of a libvirt host", () => {
  const cut = (length: number) => (bytes: number) => {
    const whole = frame(1, 1, 0, Buffer.alloc(bytes));
    return Array.from({ length: Math.ceil(whole.length / length) }, (_, i) =>
      whole.subarray(i * length, (i + 1) * length),
    );
  };
  growsLinearly({
    parse: (pieces: readonly Buffer[]) => {
      let messages = 0;
      const frames = new Frames({ least: HEADER, most: 32 * 1024 ** 2 }, () => (messages += 1));
      for (const piece of pieces) frames.feed(piece);
      if (messages === 0) throw new Error("no message");
    },
    worst: {
      "one message in single bytes": cut(1),
      "one message in pieces": cut(1000),
      "many messages in one piece": (bytes) => [
        Buffer.concat(Array.from({ length: Math.ceil(bytes / HEADER) }, () => frame(1, 1, 0, Buffer.alloc(0)))),
      ],
    },
  });

  it("are the same wherever they are cut", () => {
    const whole = Buffer.concat([1, 2, 3].map((n) => frame(1, n, 0, Buffer.alloc(n * 5, n))));
    for (let length = 1; length < 40; length += 1) {
      const found: Buffer[] = [];
      const frames = new Frames({ least: HEADER, most: 1000 }, (message) => found.push(Buffer.from(message)));
      for (let at = 0; at < whole.length; at += length) frames.feed(whole.subarray(at, at + length));
      expect(Buffer.concat(found).equals(whole)).toBe(true);
    }
  });

  it("are refused before memory is asked for", () => {
    const frames = new Frames({ least: HEADER, most: 1000 }, () => undefined);
    expect(() => frames.feed(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow("announced");
    expect(() => frames.feed(Buffer.from([0, 0, 0, 1]))).toThrow("announced");
  });

  it.each([
    ["a list", (r: XdrReader) => r.array(readDomain), Buffer.from([0, 0, 0x40, 1, ...Array<number>(80_000).fill(0)])],
    ["a text", (r: XdrReader) => r.string(), Buffer.from([0x00, 0x50, 0, 0])],
  ])("hold no longer %s than the protocol has", (_what, read, bytes) => {
    expect(() => read(new XdrReader(bytes, LIMITS))).toThrow(AppError);
  });

  // Whatever is thrown while a socket is read would end the process.
  it.each([
    ["a refusal that is cut", frame(1, 1, 1, Buffer.alloc(2))],
    ["an event that is cut", frame(2, 0, 0, Buffer.from([0, 0, 0, 1, 0xff]), PROC.domainEventLifecycle)],
    ["a length below any message's", Buffer.from([0, 0, 0, 3, 0, 0, 0, 0])],
  ])("end the connection and nothing else: %s", async (_what, bytes) => {
    const { rpc, say } = hostile();
    rpc.onEvent((_procedure, payload) => void readDomain(new XdrReader(payload, LIMITS)));
    const answer = rpc.call(1, null, (reader) => reader.int());
    say(bytes);
    await expect(answer).rejects.toMatchObject({ code: "host.unreachable" });
  });
});

describe("a stream of a libvirt host", () => {
  growsLinearly({
    parse: (count: number) => {
      const queue = new StreamQueue(() => undefined);
      for (let i = 0; i < count; i += 1) queue.add({ type: "hole", length: 1 });
      while (!queue.empty) queue.take();
    },
    worst: { "many holes": (bytes) => Math.ceil(bytes / 28) },
    most: 16 * 1024 ** 2,
  });

  it("waits for whoever takes it, and then goes on to its end", async () => {
    const { rpc, say, unsaid } = hostile();
    const opening = rpc.openStream(PROC.volDownload, new XdrWriter());
    say(frame(1, 1, 0, Buffer.alloc(0), PROC.volDownload));
    const stream = await opening;
    const piece = Buffer.alloc(256 * 1024, 7);
    const pieces = 400;
    for (let i = 0; i < pieces; i += 1) say(frame(3, 1, 2, piece, PROC.volDownload));
    say(frame(3, 1, 2, Buffer.alloc(0), PROC.volDownload));
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Far from everything was taken in: the rest stays with the host.
    expect(unsaid.length).toBeGreaterThan(pieces / 4);
    let taken = 0;
    for (let item = await stream.next(); item !== null; item = await stream.next())
      if (item.type === "data") taken += item.bytes.length;
    expect(taken).toBe(pieces * piece.length);
    rpc.close();
  });
});
