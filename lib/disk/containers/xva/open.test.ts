import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fingerprintFile, openInspection } from "../../file-conversion.ts";
import { openImageFile } from "../../files/image-file.ts";
import { tar, xapiRecords } from "../../testing/packages.ts";
import { Scratch } from "../../testing/scratch.ts";
import { openContainer } from "../open.ts";
import { blockChecksum } from "./checksum.ts";

const MIB = 1024 ** 2;
let scratch: Scratch;
let print: string;
/** Folders with `ova.xml` and blocks, as xva-img cuts a raw disk. */
const names: string[] = [];

beforeAll(async () => {
  scratch = new Scratch();
  scratch.raw("disk.raw", 5 * MIB, [
    [4096, 10_000],
    [3 * MIB - 100, 200],
  ]);
  print = await fingerprintFile(scratch.path("disk.raw"));
  mkdirSync(scratch.path("Ref:4"));
  execFileSync("xva-img", ["disk-import", "Ref:4", "disk.raw"], { cwd: scratch.folder, stdio: "pipe" });
  writeFileSync(scratch.path("ova.xml"), xapiRecords([{ ref: "Ref:4", name: "root", size: 5 * MIB }]));
  names.push(
    "ova.xml",
    ...readdirSync(scratch.path("Ref:4"))
      .sort()
      .map((name) => `Ref:4/${name}`),
  );
});
afterAll(() => scratch[Symbol.dispose]());

test("blocks that xva-img cut, with SHA-1 beside them", async () => {
  for (const format of ["v7", "ustar"]) {
    const path = tar(scratch, `${format}.xva`, names, format);
    expect(await fingerprintFile(path)).toBe(print);
    await using image = await openImageFile(path);
    await using container = await openContainer(image);
    expect(container).toMatchObject({
      kind: "xva",
      machine: "mail",
      hints: { cpus: 2, memory: 1024 * MIB, firmware: "uefi", bus: "xen", nic: "netfront" },
      details: { product: "XCP-ng 8.3.0", nics: 1, checksums: "sha1" },
      disks: [{ entry: "Ref:4", label: "root", capacity: 5 * MIB }],
    });
    await using opened = await openInspection(path);
    const kinds: string[] = [];
    for await (const { offset, length, kind } of opened.disk.extents())
      kinds.push(`${kind} ${offset / MIB}+${length / MIB}`);
    expect(kinds).toEqual(["data 0+1", "zero 1+1", "data 2+3"]);
  }
});

test("XXH64 beside the blocks, an empty block to keep a connection alive, a short last one", async () => {
  mkdirSync(scratch.path("xx/Ref:9"), { recursive: true });
  const first = Buffer.alloc(MIB, 7);
  const last = Buffer.alloc(1536, 9);
  const put = (name: string, bytes: Uint8Array) => {
    writeFileSync(scratch.path(`xx/Ref:9/${name}`), bytes);
    writeFileSync(scratch.path(`xx/Ref:9/${name}.xxhash`), blockChecksum("xxh64", bytes));
    return [`Ref:9/${name}`, `Ref:9/${name}.xxhash`];
  };
  // Number 2 holds no place: what follows lies one block earlier than its number says.
  const files = [...put("00000000", first), ...put("00000002", Buffer.alloc(0)), ...put("00000004", last)];
  writeFileSync(scratch.path("xx/ova.xml"), xapiRecords([{ ref: "Ref:9", name: "d", size: 3 * MIB + 1536 }]));
  const path = scratch.path("xx.xva");
  execFileSync("tar", ["--format=v7", "-cf", path, "ova.xml", ...files], { cwd: scratch.path("xx") });
  await using opened = await openInspection(path);
  const bytes = Buffer.alloc(3 * MIB + 1536);
  await opened.disk.read(0, bytes);
  expect(bytes.equals(Buffer.concat([first, Buffer.alloc(2 * MIB), last]))).toBe(true);
  // Vectors of the specification, as xapi prints them.
  expect(blockChecksum("xxh64", Buffer.alloc(0))).toBe("EF46DB3751D8E999");
  expect(blockChecksum("xxh64", Buffer.from("abc"))).toBe("44BC2CF5AD770999");
});

test("a damaged block is told by its checksum, whichever part of it is read; others can be read", async () => {
  const path = tar(scratch, "damaged.xva", names);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(readFileSync(scratch.path("Ref:4/00000002")).subarray(MIB - 100));
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(path, bytes);
  await using opened = await openInspection(path);
  const part = Buffer.alloc(512);
  await expect(opened.disk.read(2 * MIB, part)).rejects.toMatchObject({ code: "image.corrupt" });
  await opened.disk.read(4096, part);
  expect(part.equals(readFileSync(scratch.path("disk.raw")).subarray(4096, 4608))).toBe(true);
});

test("an archive that was cut, lacks blocks, or has them in disorder is refused", async () => {
  const whole = readFileSync(tar(scratch, "whole.xva", names));
  const codeOf = async (name: string, bytes: Uint8Array) => {
    writeFileSync(scratch.path(name), bytes);
    return fingerprintFile(scratch.path(name)).catch((error: { code?: string }) => error.code);
  };
  expect(await codeOf("cut.xva", whole.subarray(0, 2 * MIB))).toBe("image.truncated");
  const without = (name: string) =>
    readFileSync(
      tar(
        scratch,
        "odd.xva",
        names.filter((other) => !other.startsWith(name)),
      ),
    );
  expect(await codeOf("tail.xva", without("Ref:4/00000004"))).toBe("image.truncated");
  expect(await codeOf("none.xva", without("Ref:4/"))).toBe("image.truncated");
  const disorder = [names[0] ?? "", ...names.slice(3, 5), ...names.slice(1, 3)];
  expect(await codeOf("disorder.xva", readFileSync(tar(scratch, "odd.xva", disorder)))).toBe("image.header-insane");
  writeFileSync(scratch.path("ova.xml"), xapiRecords([{ ref: "Ref:4", name: "root", size: 4 * MIB }]));
  expect(await codeOf("long.xva", readFileSync(tar(scratch, "odd.xva", names)))).toBe("image.header-insane");
  rmSync(scratch.path("odd.xva"));
});
