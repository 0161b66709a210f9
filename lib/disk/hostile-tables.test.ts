/** Directories, tables and logs of images: in time with their bytes, whatever stands in them. */
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { repeated } from "#lib/testing/hostile-text.ts";
import { parseXml } from "./containers/xml.ts";
import { readMachine } from "./containers/xva/metadata.ts";
import { Fields } from "./fields.ts";
import { readHeader } from "./formats/qcow2/header.ts";
import { encodeDynamicHeader, encodeFooter, TYPE_DYNAMIC } from "./formats/vhd/layout.ts";
import { openVhd } from "./formats/vhd/open.ts";
import { readParentName } from "./formats/vhd/parent-locator.ts";
import { crc32c } from "./formats/vhdx/crc32c.ts";
import { encodeGuid, guidAt } from "./formats/vhdx/layout.ts";
import { replayLog } from "./formats/vhdx/log.ts";
import { readParentLocator } from "./formats/vhdx/parent-locator.ts";
import { readMetadata } from "./formats/vhdx/structure.ts";
import { memoryBytes, memoryImage } from "./testing/memory.ts";
import { VHDX_LOG_GUID, vhdxLogEntry } from "./testing/vhdx-log.ts";
import { Meter } from "./wrappers/packing.ts";
import { zipEntries } from "./wrappers/zip.ts";
import { unzstd } from "./wrappers/zstd.ts";

const MIB = 1024 ** 2;
const image = (bytes: Buffer) => memoryImage("disk.img", memoryBytes(bytes));
const units = (unit: Buffer) => (length: number) => Buffer.alloc(Math.ceil(length / unit.length) * unit.length, unit);

describe("directories of zip", () => {
  const entry = (name: string, extra: Buffer = Buffer.alloc(0)): Buffer => {
    const head = Buffer.alloc(46);
    head.writeUInt32LE(0x0201_4b50);
    head.writeUInt16LE(Buffer.byteLength(name), 28);
    head.writeUInt16LE(extra.length, 30);
    return Buffer.concat([head, Buffer.from(name), extra]);
  };
  /** The directory at the file's beginning, the record of its end behind it. */
  const zip = (directory: Buffer, claims = directory.length): Buffer => {
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x0605_4b50);
    end.writeUInt32LE(claims, 12);
    return Buffer.concat([directory, end]);
  };
  const of = (unit: Buffer) => (length: number) => zip(units(unit)(length));
  growsLinearly({
    parse: (bytes: Buffer) => zipEntries(image(bytes)),
    worst: {
      "entries without a name": of(entry("")),
      "entries in deep folders": of(entry("a/".repeat(1000))),
      "entries with long names": of(entry("n".repeat(60_000))),
      "entries with many extra fields": of(entry("a", Buffer.alloc(60_000, Buffer.from([9, 0, 0, 0])))),
      "ends of directories that are none": (n) => units(Buffer.from([0x50, 0x4b, 5, 6]))(n),
    },
    most: 16 * MIB,
  });

  it("are refused when they are longer than any package's", async () => {
    await expect(zipEntries(image(zip(Buffer.alloc(64), 17 * MIB)))).rejects.toMatchObject({
      code: "image.header-insane",
    });
  });
});

describe("tables of VHD", () => {
  const vhd = (entry: (index: number) => number) => (length: number) => {
    const entries = Math.ceil(length / 4);
    const size = entries * 4096;
    const footer = encodeFooter(size, TYPE_DYNAMIC);
    const table = Buffer.alloc(Math.ceil((entries * 4) / 512) * 512, 0xff);
    const data = 1536 + table.length;
    for (let i = 0; i < entries; i += 1) table.writeUInt32BE(entry(i) === 0 ? data / 512 : 0xffff_ffff, i * 4);
    return Buffer.concat([footer, encodeDynamicHeader(1536, entries, 4096), table, Buffer.alloc(4608, 0xff), footer]);
  };
  growsLinearly({
    parse: async (bytes: Buffer) => {
      await using opened = await openVhd(image(bytes));
      for await (const _ of opened.disk.extents());
    },
    worst: {
      "all blocks at one place": vhd(() => 0),
      "every other block": vhd((i) => i % 2),
      "no block": vhd(() => 1),
    },
    most: MIB,
  });

  const header = (length: number): Fields => {
    const raw = encodeDynamicHeader(0, 0, 4096);
    for (let i = 0; i < 8; i += 1) {
      raw.write("MacX", 576 + i * 24, "latin1");
      raw.writeUInt32BE(length, 576 + i * 24 + 8);
      raw.writeBigUInt64BE(512n, 576 + i * 24 + 16);
    }
    return new Fields("disk.vhd", 0, raw, "be");
  };
  growsLinearly({
    parse: (bytes: Buffer) => readParentName(image(bytes), header(bytes.length - 512)),
    worst: {
      "names of escapes": (n) => Buffer.concat([Buffer.alloc(512), units(Buffer.from("%41"))(n)]),
      "names of escapes that do not end": (n) => Buffer.concat([Buffer.alloc(512), units(Buffer.from("%"))(n)]),
      "names without end": (n) => Buffer.concat([Buffer.alloc(512), Buffer.alloc(n, "n")]),
    },
    most: 60_000,
  });

  it("are refused when a parent's name is longer than any path", async () => {
    await expect(readParentName(image(Buffer.alloc(MIB)), header(65_537))).rejects.toMatchObject({
      code: "image.header-insane",
    });
  });
});

describe("logs of VHDX", () => {
  const header = (log: Buffer) => ({
    logGuid: guidAt(VHDX_LOG_GUID, 0),
    logAt: 0,
    logLength: log.length,
    dataWriteGuid: "",
  });
  const replay = async (log: Buffer) => {
    const { bytes } = await replayLog(image(log), header(log));
    const into = Buffer.alloc(65_536);
    for (let at = 0; at + into.length <= log.length; at += into.length) await bytes.read(at, into);
  };
  const entries = (make: (index: number, count: number) => Buffer) => (length: number) => {
    const first = make(0, 1).length;
    const count = Math.max(1, Math.floor(length / first));
    return Buffer.concat(Array.from({ length: count }, (_, i) => make(i, count)));
  };
  const page = Buffer.alloc(4096, 1);
  growsLinearly({
    parse: replay,
    worst: {
      "entries that all begin with the first": entries((i) => vhdxLogEntry(BigInt(i + 1), 0, [], 0)),
      "entries that each stand alone": entries((i) => vhdxLogEntry(BigInt(i + 1) * 2n, i * 4096, [], 0)),
      "entries whose tail is the last": entries((i, count) => vhdxLogEntry(BigInt(i + 1), (count - 1) * 4096, [], 0)),
      "a page in each": entries((i) => vhdxLogEntry(BigInt(i + 1), 0, [{ at: i * 4096, page }], 0)),
      "clearings that lie over one another": entries((i) =>
        vhdxLogEntry(BigInt(i + 1), 0, [{ at: 0, clear: 2 ** 40 }], 0),
      ),
      "clearings that lie apart": entries((i) => vhdxLogEntry(BigInt(i + 1), 0, [{ at: i * 16_384, clear: 4096 }], 0)),
    },
    most: 8 * MIB,
  });

  it.each([
    ["one within another", Array.from({ length: 60 }, (_, i) => ({ at: i * 4096, clear: 4096 * (i + 1) }))],
    ["in any order", [3, 1, 2, 9, 0, 7].map((i) => ({ at: i * 8192, clear: 4096 }))],
    ["joined by a later one", [0, 4, 8, 2].map((i) => ({ at: i * 4096, clear: 3 * 4096 }))],
  ])("clear what they say and nothing else: %s", async (_what, changes) => {
    const file = Buffer.alloc(128 * 4096, 0xee);
    const expected = Buffer.from(file);
    for (const { at, clear } of changes) expected.fill(0, at, Math.min(at + clear, file.length));
    const entry = vhdxLogEntry(1n, 0, changes, 0);
    const whole = Buffer.concat([file, entry, Buffer.alloc(MIB - entry.length)]);
    const at = { ...header(Buffer.alloc(MIB)), logAt: file.length };
    const { bytes } = await replayLog(image(whole), at);
    const read = Buffer.alloc(file.length);
    await bytes.read(0, read);
    expect(read.equals(expected)).toBe(true);
    const part = Buffer.alloc(5000);
    await bytes.read(3000, part);
    expect(part.equals(expected.subarray(3000, 8000))).toBe(true);
  });

  it("are refused when two entries lead to one, and when they are longer than any host's", async () => {
    // Its data is an entry of its own, which ends where the one around it does.
    const long = vhdxLogEntry(1n, 0, [{ at: 0, page }], 0);
    vhdxLogEntry(1n, 0, [], 0).copy(long, 4096);
    long.writeUInt32LE(crc32c(long, 4), 4);
    const log = Buffer.concat([long, vhdxLogEntry(2n, 0, [], 0), Buffer.alloc(MIB - 3 * 4096)]);
    await expect(replayLog(image(log), header(log))).rejects.toMatchObject({ code: "image.vhdx-log-dirty" });
    await expect(replayLog(image(log), { ...header(log), logLength: 33 * MIB })).rejects.toMatchObject({
      code: "image.vhdx-log-dirty",
    });
  });
});

describe("metadata of VHDX", () => {
  growsLinearly({
    parse: (bytes: Buffer) => readParentLocator(image(bytes), { at: 0, length: bytes.length }),
    worst: {
      "many entries over the whole item": (n) => {
        const length = Math.max(2048, Math.min(n, MIB));
        const bytes = Buffer.alloc(length);
        encodeGuid("b04aefb7-d19e-4a81-b789-25b8e9445913").copy(bytes);
        const count = Math.min(64, Math.floor((length - 20) / 12));
        bytes.writeUInt16LE(count, 18);
        const text = Math.min(65_534, length - (length % 2));
        for (let i = 0; i < count; i += 1) {
          bytes.writeUInt16LE(text, 20 + i * 12 + 8);
          bytes.writeUInt16LE(text, 20 + i * 12 + 10);
        }
        return bytes;
      },
    },
    most: MIB,
  });

  it("is refused for more items than its table holds", async () => {
    const table = Buffer.alloc(MIB);
    table.write("metadata", "latin1");
    table.writeUInt16LE(2048, 10);
    await expect(readMetadata(image(table), { at: 0, length: MIB })).rejects.toMatchObject({
      code: "image.header-insane",
    });
    table.writeUInt16LE(2047, 10);
    await expect(readMetadata(image(table), { at: 0, length: MIB })).rejects.toMatchObject({
      code: "image.header-insane",
    });
  });
});

describe("headers of QCOW2", () => {
  /** In clusters of 2 MiB, so that extensions have room for as many. */
  const qcow2 = (extensions: Buffer, snapshots = 0): Buffer => {
    const bytes = Buffer.alloc(4 * MIB);
    bytes.write("QFI\xfb", "latin1");
    bytes.writeUInt32BE(3, 4);
    bytes.writeUInt32BE(21, 20);
    bytes.writeUInt32BE(snapshots, 60);
    bytes.writeUInt32BE(4, 96);
    bytes.writeUInt32BE(104, 100);
    extensions.copy(bytes, 104, 0, 2 * MIB - 104);
    return bytes;
  };
  const extension = (type: number, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(type);
    head.writeUInt32BE(data.length, 4);
    return Buffer.concat([head, data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
  };
  const FEATURES = 0x6803_f857;
  growsLinearly({
    parse: (bytes: Buffer) => readHeader({ name: "disk.qcow2", bytes: memoryBytes(bytes) }),
    worst: {
      "extensions that are empty": (n) => qcow2(units(extension(0x1234, Buffer.alloc(0)))(n)),
      "names of formats": (n) => qcow2(units(extension(0xe279_2aca, Buffer.from("raw")))(n)),
      "tables of features": (n) => qcow2(units(extension(FEATURES, Buffer.alloc(48, "f")))(n)),
      "one long table of features": (n) => qcow2(extension(FEATURES, Buffer.alloc(Math.min(n, MIB), "\0"))),
    },
    most: 2 * MIB,
  });

  it("say how many snapshots there are, and the table of them is not read", async () => {
    const file = { name: "disk.qcow2", bytes: memoryBytes(qcow2(Buffer.alloc(0), 0xffff_ffff)) };
    expect((await readHeader(file)).snapshots).toBe(0xffff_ffff);
  });

  it("are refused when an extension is longer than the first cluster", async () => {
    const bytes = qcow2(Buffer.alloc(0));
    bytes.writeUInt32BE(1, 104);
    bytes.writeUInt32BE(3 * MIB, 108);
    await expect(readHeader({ name: "disk.qcow2", bytes: memoryBytes(bytes) })).rejects.toMatchObject({
      code: "image.header-insane",
    });
  });
});

describe("frames of zstd", () => {
  async function* cut(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
  }
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  growsLinearly({
    parse: async (bytes: Buffer) => {
      for await (const _ of unzstd(cut(bytes, 1), new Meter("disk.zst")));
    },
    worst: {
      "many that are skipped, in single bytes": units(skippable),
      "one that is skipped, in single bytes": (n) => {
        const bytes = Buffer.concat([skippable, Buffer.alloc(n)]);
        bytes.writeUInt32LE(n, 4);
        return bytes;
      },
    },
    most: MIB,
  });
});

describe("machines of XenServer", () => {
  const member = (name: string, value: string): string =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const object = (kind: string, id: string, fields: string): string =>
    `<value><struct>${member("class", kind)}${member("id", id)}${member("snapshot", `<struct>${fields}</struct>`)}</struct></value>`;
  const drive = object("VBD", "b{}", member("VM", "vm") + member("VDI", "d{}") + member("userdevice", "1"));
  const disk = object("VDI", "d{}", member("virtual_size", "1"));
  growsLinearly({
    parse: (text: string) => readMachine("machine.xva", 0, parseXml("machine.xva", 0, Buffer.from(text))),
    worst: {
      "many disks": (n) =>
        `<value><struct>${member("objects", `<array><data>${object("VM", "vm", "")}${repeated(drive)(n / 2)}${repeated(disk)(n / 2)}</data></array>`)}</struct></value>`,
    },
    most: 2 * MIB,
  });
});
