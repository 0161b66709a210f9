import { describe } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { each, hostileLines, hostileXml, repeated } from "#lib/testing/hostile-text.ts";
import { toldGuest } from "#lib/domain/told-guest.ts";
import { parseOsRelease } from "#lib/guest/os-release.ts";
import { readManifest } from "./containers/manifest/read.ts";
import { tarEntries } from "./containers/tar/entries.ts";
import { encodeTarHeader } from "./containers/tar/header.ts";
import { parseXml } from "./containers/xml.ts";
import { looksLikeDescriptor, parseDescriptor } from "./formats/vmdk/descriptor.ts";
import type { ByteSource } from "./io.ts";
import { peek } from "./wrappers/open-packed.ts";

const most = 1024 ** 2;
const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
const lines = hostileLines('ddb.adapterType = "ide"\n');

describe("VMDK descriptors", () => {
  growsLinearly({
    parse: (given: Buffer) => parseDescriptor(given, "disk.vmdk", 0),
    worst: each({ ...lines, extents: repeated('RW 1 FLAT "a" 0\n'), encodings: repeated("encoding") }, bytes),
    most,
  });
  growsLinearly({ parse: looksLikeDescriptor, worst: each(lines, bytes), most });
});

describe("XML of packages", () => {
  growsLinearly({
    parse: (given: Buffer) => parseXml("machine.ova", 0, given),
    worst: each(hostileXml("Envelope"), bytes),
    most,
  });
});

describe("manifests of packages", () => {
  growsLinearly({
    parse: (text: string) => readManifest("machine.ova", 0, text),
    worst: { ...hostileLines(`SHA256(a{})= ${"0".repeat(64)}\n`), blanks: repeated(" ", "SHA256(", ")= 0") },
    most,
  });
});

describe("what a guest says of itself", () => {
  growsLinearly({ parse: parseOsRelease, worst: hostileLines('NAME="Debian"\n'), most });
  growsLinearly({
    parse: toldGuest,
    worst: { digits: repeated("1", "linux 1.", "bit"), lines: repeated("linux 1\n") },
    most,
  });
});

describe("the head of a packed file", () => {
  async function* small(length: number): AsyncIterable<Uint8Array> {
    const piece = new Uint8Array(1);
    for (let i = 0; i < length; i += 1) yield piece;
  }
  growsLinearly({
    parse: (length: number) => peek(small(length), length),
    worst: { "single bytes": (length) => length },
    most: 4 * most,
  });
});

describe("archives", () => {
  /** A file in memory. */
  const file = (bytes: Buffer) => ({
    name: "a.tar",
    bytes: {
      size: bytes.length,
      read: (offset: number, into: Uint8Array) => {
        into.set(bytes.subarray(offset, offset + into.length));
        return Promise.resolve();
      },
    } as unknown as ByteSource,
  });
  const header = (type: string, size: number): Buffer => {
    const block = encodeTarHeader("a", size);
    block.write(type, 156, "latin1");
    block.fill(" ", 148, 156);
    const sum = block.reduce((all, byte) => all + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return block;
  };
  const blocks = (unit: Buffer) => (length: number) =>
    Buffer.concat(Array.from({ length: Math.ceil(length / unit.length) }, () => unit));
  const pax = Buffer.alloc(65_536, "6 a=b\n");
  growsLinearly({
    parse: async (bytes: Buffer) => {
      for await (const _ of tarEntries(file(bytes), 1_000_000));
    },
    worst: {
      "many empty entries": blocks(header("0", 0)),
      "many long names without an entry": blocks(Buffer.concat([header("L", 512), Buffer.alloc(512, "n")])),
      "many records of pax": blocks(Buffer.concat([header("x", 65_532), pax])),
    },
    most: 4 * most,
  });
});
