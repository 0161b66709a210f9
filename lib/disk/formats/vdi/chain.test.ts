/** Snapshots of VirtualBox: each names its parent by UUID, and that is found among the files beside it. */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { convertFile, openInspection } from "../../file-conversion.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import { makeVdiDifference } from "../../testing/vdi-difference.ts";
import { AT } from "./layout.ts";

const MIB = 1_048_576;
const SIZE = 9 * MIB + 512;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const difference = (name: string, parent: string, blocks: ReadonlyMap<number, Uint8Array | "zero">) => {
  const image = makeVdiDifference(readFileSync(scratch.path(parent)), blocks, randomBytes(16), randomBytes(16));
  writeFileSync(scratch.path(name), image);
  return image;
};
const outcome = (name: string) =>
  openInspection(scratch.path(name)).then(
    async (opened) => opened[Symbol.asyncDispose]().then(() => "opened"),
    (error: unknown) => (error as { code?: string }).code,
  );

let truth: Buffer;
beforeAll(async () => {
  const source = scratch.raw("base.raw", SIZE, [[0, SIZE]]);
  await convertFile({ source, target: scratch.path("base.vdi"), to: "vdi", options: {} });
  truth = readFileSync(source);
});

it("two snapshots on a base, with strangers beside them", async () => {
  const lower = new Map<number, Buffer | "zero">([
    [1, randomBytes(MIB)],
    [4, randomBytes(MIB)],
    [6, "zero"],
    [9, randomBytes(MIB)],
  ]);
  const upper = new Map<number, Buffer | "zero">([
    [4, "zero"],
    [8, randomBytes(MIB)],
  ]);
  difference("{5a1c}.vdi", "base.vdi", lower);
  difference("{77fe}.VDI", "{5a1c}.vdi", upper);
  for (const layer of [lower, upper])
    for (const [block, bytes] of layer)
      (bytes === "zero" ? Buffer.alloc(MIB) : bytes).copy(truth, block * MIB, 0, Math.min(MIB, SIZE - block * MIB));
  writeFileSync(scratch.path("truth.raw"), truth);
  writeFileSync(scratch.path("noise.vdi"), randomBytes(9000));
  writeFileSync(scratch.path("short.vdi"), "");
  symlinkSync("/etc/passwd", scratch.path("a-link.vdi"));
  const facts = await expectSameDisk(scratch.path("{77fe}.VDI"), scratch.path("truth.raw"));
  expect(facts).toMatchObject({
    variant: "differencing",
    parents: ["{5a1c}.vdi", "base.vdi"],
    files: ["{77fe}.VDI", "{5a1c}.vdi", "base.vdi"],
  });
  expect(facts.details.parentUuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

it("a parent that is elsewhere is named by its UUID", async () => {
  difference("lone.vdi", "base.vdi", new Map());
  const base = readFileSync(scratch.path("base.vdi"));
  rmSync(scratch.path("base.vdi"));
  await expect(openInspection(scratch.path("lone.vdi"))).rejects.toMatchObject({
    code: "image.parent-missing",
    kind: "unprocessable",
    message: expect.stringMatching(/UUID [0-9a-f]{8}-/) as string,
  });
  writeFileSync(scratch.path("base.vdi"), base);
  expect(await outcome("lone.vdi")).toBe("opened");
});

it("a parent that was started since is refused", async () => {
  difference("stale.vdi", "base.vdi", new Map());
  const base = readFileSync(scratch.path("base.vdi"));
  const changed = Buffer.from(base);
  randomBytes(16).copy(changed, AT.uuidModified);
  writeFileSync(scratch.path("base.vdi"), changed);
  expect(await outcome("stale.vdi")).toBe("image.parent-mismatch");
  writeFileSync(scratch.path("base.vdi"), base);
});

it("one that names itself is a circle", async () => {
  const image = difference("circle.vdi", "base.vdi", new Map());
  image.copy(image, AT.uuidLinkage, AT.uuid, AT.uuid + 16);
  writeFileSync(scratch.path("circle.vdi"), image);
  expect(await outcome("circle.vdi")).toBe("image.chain-loop");
});

it("a chain of 80 is refused", async () => {
  for (let i = 0; i < 80; i++) difference(`deep-${i}.vdi`, i === 0 ? "base.vdi" : `deep-${i - 1}.vdi`, new Map());
  expect(await outcome("deep-79.vdi")).toBe("image.chain-too-deep");
  expect(await outcome("deep-50.vdi")).toBe("opened");
});
