import { describe } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { each, hostileLines, hostileXml, repeated } from "#lib/testing/hostile-text.ts";
import { toldGuest } from "#lib/domain/told-guest.ts";
import { parseOsRelease } from "#lib/guest/os-release.ts";
import { readManifest } from "./containers/ova/manifest.ts";
import { parseXml } from "./containers/xml.ts";
import { looksLikeDescriptor, parseDescriptor } from "./formats/vmdk/descriptor.ts";
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
