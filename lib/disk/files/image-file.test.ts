import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scratch } from "../testing/scratch.ts";
import { openImageFile } from "./image-file.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
beforeAll(() => {
  mkdirSync(scratch.path("images/sub"), { recursive: true });
  for (const name of ["images/disk.vmdk", "images/disk-s001.vmdk", "images/sub/inner", "outside"]) {
    writeFileSync(scratch.path(name), name);
  }
  symlinkSync("../outside", scratch.path("images/leads-out"));
  symlinkSync("sub/inner", scratch.path("images/leads-down"));
  symlinkSync("disk-s001.vmdk", scratch.path("images/stays"));
  symlinkSync("images", scratch.path("other-way"));
});

it("reaches what lies beside the image, and from there again", async () => {
  await using image = await openImageFile(scratch.path("images/disk.vmdk"), { name: "web01" });
  expect(image.name).toBe("web01");
  for (const name of ["disk-s001.vmdk", "./disk-s001.vmdk", "stays"]) {
    const sibling = await image.sibling(name);
    const text = Buffer.alloc(sibling.bytes.size);
    await sibling.bytes.read(0, text);
    expect(text.toString()).toBe("images/disk-s001.vmdk");
    expect((await sibling.sibling("disk.vmdk")).name).toBe("disk.vmdk");
  }
});

it.each([
  "",
  ".",
  "..",
  "/etc/passwd",
  "../outside",
  "sub/inner",
  "sub\\inner",
  "..\\x",
  "a\0b",
  "leads-out",
  "leads-down",
  "sub",
  "./../outside",
  "x".repeat(300),
])("does not reach %j", async (name) => {
  await using image = await openImageFile(scratch.path("images/disk.vmdk"));
  await expect(image.sibling(name)).rejects.toMatchObject({ code: "image.path-escapes", kind: "unprocessable" });
});

it("says which file is missing", async () => {
  await using image = await openImageFile(scratch.path("images/disk.vmdk"));
  await expect(image.sibling("disk-s002.vmdk")).rejects.toMatchObject({
    code: "image.sibling-missing",
    details: { missing: "disk-s002.vmdk" },
  });
});

it("a folder that is itself reached by a link is one folder", async () => {
  await using image = await openImageFile(scratch.path("other-way/disk.vmdk"));
  expect((await image.sibling("disk-s001.vmdk")).bytes.size).toBe(21);
});

it("closes its siblings with itself", async () => {
  const image = await openImageFile(scratch.path("images/disk.vmdk"));
  const sibling = await image.sibling("disk-s001.vmdk");
  await image[Symbol.asyncDispose]();
  await expect(sibling.bytes.read(0, Buffer.alloc(1))).rejects.toMatchObject({ code: "io.closed" });
});
