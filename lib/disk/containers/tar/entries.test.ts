import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { memoryBytes } from "../../testing/memory.ts";
import { Scratch } from "../../testing/scratch.ts";
import { tarEntries } from "./entries.ts";
import { encodeTarHeader, tarPadding } from "./header.ts";

const listed = async (bytes: Uint8Array, most = 100) => {
  const found: [string, string][] = [];
  for await (const { name, at, size } of tarEntries({ name: "x.tar", bytes: memoryBytes(bytes) }, most)) {
    found.push([name, Buffer.from(bytes.subarray(at, at + Math.min(size, 20))).toString("latin1")]);
  }
  return found;
};

const entry = (name: string, content: string) =>
  Buffer.concat([
    encodeTarHeader(name, content.length),
    Buffer.from(content),
    Buffer.alloc(tarPadding(content.length)),
  ]);

/** A header with one field written anew and a checksum that is right. */
const altered = (at: number, text: string, header = encodeTarHeader("a", 3)) => {
  header.write(text, at, "latin1");
  header.fill(" ", 148, 156);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
};

test("long names, names in UTF-8, folders and links, in each format of GNU tar", async () => {
  using scratch = new Scratch();
  const long = `folder-${"n".repeat(90)}/${"m".repeat(80)}`;
  mkdirSync(scratch.path(long.slice(0, 97)));
  writeFileSync(scratch.path("ü.txt"), "umlaut");
  writeFileSync(scratch.path(long), "long");
  execFileSync("ln", ["-s", "ü.txt", "link"], { cwd: scratch.folder });
  for (const format of ["gnu", "pax", "ustar"]) {
    execFileSync("tar", [`--format=${format}`, "-cf", "all.tar", "./ü.txt", long.slice(0, 97), "link"], {
      cwd: scratch.folder,
    });
    expect(await listed(readFileSync(scratch.path("all.tar")))).toEqual([
      ["ü.txt", "umlaut"],
      [long, "long"],
    ]);
  }
});

test("a size of 8 GiB and more is read as GNU tar reads it", async () => {
  const header = encodeTarHeader("big", 9 * 2 ** 30);
  const bytes = memoryBytes(Buffer.alloc(0));
  const huge = {
    ...bytes,
    size: 512 + 9 * 2 ** 30,
    read: async (offset: number, into: Uint8Array) => {
      into.fill(0);
      if (offset === 0) into.set(header.subarray(0, into.length));
    },
  };
  const sizes: number[] = [];
  for await (const { size } of tarEntries({ name: "x.tar", bytes: huge }, 10)) sizes.push(size);
  expect(sizes).toEqual([9 * 2 ** 30]);
  const told = spawnSync("tar", ["-tvf", "-"], {
    input: Buffer.concat([header, Buffer.alloc(1024)]),
    encoding: "utf8",
  });
  expect(told.stdout).toContain("9663676416");
});

test("an archive without its end, and one with rubbish behind it", async () => {
  expect(await listed(entry("a", "one"))).toEqual([["a", "one"]]);
  expect(await listed(Buffer.concat([entry("a", "one"), Buffer.alloc(512), Buffer.alloc(700, 1)]))).toEqual([
    ["a", "one"],
  ]);
});

test.each([
  ["a cut header", Buffer.concat([entry("a", "one"), Buffer.alloc(100, 1)]), "image.truncated"],
  ["an entry beyond the file", encodeTarHeader("a", 4096), "image.truncated"],
  ["a wrong checksum", Buffer.concat([entry("a", "one"), Buffer.alloc(512, 1)]), "image.header-insane"],
  ["a size that is negative", altered(124, "\xff".repeat(12)), "image.header-insane"],
  ["a size near 2^63", altered(124, `\x80\0\0\0\x7f${"\xff".repeat(7)}`), "image.header-insane"],
  ["a size in no digits", altered(124, "99999999999\0"), "image.header-insane"],
  ["a sparse file of no size", altered(483, "x", altered(156, "S")), "image.header-insane"],
  [
    "a map of a sparse file out of order",
    altered(386, "00000000001\0".repeat(4), altered(156, "S")),
    "image.header-insane",
  ],
  [
    "a name of a megabyte",
    Buffer.concat([altered(124, "00004000000", altered(156, "L")), Buffer.alloc(2 ** 20)]),
    "image.header-insane",
  ],
])("%s is refused", async (_name, bytes, code) => {
  await expect(listed(bytes)).rejects.toMatchObject({ code });
});

test("entries without end are refused at the limit", async () => {
  const many = Buffer.concat(Array.from({ length: 40 }, () => entry("", "")));
  await expect(listed(many, 39)).rejects.toMatchObject({ code: "image.header-insane" });
});

test("an extended header that lies about its lengths is refused", async () => {
  for (const record of ["99 size=3\n", "x size=3\n", "0 a=b\n", "13 size=1e9\n", "30 GNU.sparse.major=1\n"]) {
    const sized = altered(124, record.length.toString(8).padStart(11, "0"), altered(156, "x"));
    const bytes = Buffer.concat([
      sized,
      Buffer.from(record),
      Buffer.alloc(tarPadding(record.length)),
      entry("a", "one"),
    ]);
    await expect(listed(bytes)).rejects.toMatchObject({ kind: "unprocessable" });
  }
});
