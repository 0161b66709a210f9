/** All that qemu-img makes is read to the same disk, by its own comparison; what is not read says why. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile } from "../file-conversion.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

beforeAll(() => {
  const path = scratch.raw("disk.raw", 3 * MIB + 3 * 512, [
    [64 * 1024 - 5, 10],
    [MIB, 90_000],
    [3 * MIB, 1000],
  ]);
  const disk = readFileSync(path);
  disk.fill("what can be packed, ", 2 * MIB, 2 * MIB + 150_000);
  disk.writeUInt8(0x83, 450);
  disk.writeUInt32LE(64, 454);
  disk.writeUInt32LE(64, 458);
  disk.writeUInt16LE(0xaa55, 510);
  writeFileSync(path, disk);
});

/** Driver, options, and arguments of convert beside them. */
type Variant = readonly [driver: string, options: string, ...args: string[]];

const VARIANTS: readonly Variant[] = [
  ["qcow2", "compat=0.10"],
  ["qcow2", "compat=0.10,cluster_size=512"],
  ["qcow2", "compat=1.1,lazy_refcounts=on"],
  ["qcow2", "cluster_size=4k,refcount_bits=64"],
  ["qcow2", "cluster_size=2M,preallocation=metadata"],
  ["qcow2", "preallocation=falloc"],
  ["qcow2", "preallocation=full"],
  ["qcow2", "extended_l2=on,cluster_size=16k"],
  ["qcow2", "extended_l2=on,cluster_size=2M"],
  ["qcow2", "compression_type=zlib", "-c"],
  ["qcow2", "compression_type=zstd,cluster_size=8k", "-c"],
  ["qcow2", "compression_type=zstd,extended_l2=on", "-c"],
  ["qcow2", "data_file=disk.data"],
  ["qcow2", "data_file=disk.data,data_file_raw=on,extended_l2=on"],
  ...["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized"].flatMap(
    (subformat) =>
      ["ide", "lsilogic", "buslogic", "legacyESX"].map(
        (adapter): Variant => ["vmdk", `subformat=${subformat},adapter_type=${adapter}`],
      ),
  ),
  ["vmdk", "compat6=on,zeroed_grain=on"],
  ["vmdk", "hwversion=19"],
  ["vhdx", "subformat=dynamic,block_size=1M"],
  ["vhdx", "subformat=dynamic,block_size=32M,log_size=8M"],
  ["vhdx", "subformat=dynamic,block_state_zero=off"],
  ["vhdx", "subformat=fixed,block_size=2M"],
  ["vpc", "subformat=dynamic"],
  ["vpc", "subformat=fixed"],
  ["vpc", "subformat=dynamic,force_size=on"],
  ["vpc", "subformat=fixed,force_size=on"],
  ["vdi", "static=off"],
  ["vdi", "static=on"],
  ["parallels", "cluster_size=1M"],
  ["parallels", "cluster_size=4k"],
  ["qed", "cluster_size=64k,table_size=4"],
  ["qed", "cluster_size=4k,table_size=16"],
  ["raw", "preallocation=full"],
];

it.each(VARIANTS)("%s with %s", async (driver, options, ...args) => {
  const words = args.filter((word) => typeof word === "string");
  scratch.qemuImg("convert", "-f", "raw", "-O", driver, ...words, "-o", options, "disk.raw", "image");
  const said = driver === "raw" ? { from: "raw" as const } : {};
  const [source, target] = [scratch.path("image"), scratch.path("ours.raw")];
  await convertFile({ source, target, to: "raw", options: {}, overwrite: true, fingerprint: false, ...said });
  expect(scratch.qemuImg("compare", "-f", "raw", "-F", driver, "ours.raw", "image")).toBe("Images are identical.\n");
});

describe("what qemu-img reads and we do not says why", () => {
  const base = (format: string) => ["create", "-q", "-u", "-F", "raw", "-f", format, "-b"];
  it.each<readonly [name: string, make: readonly string[], code: string, words: string]>([
    [
      "QCOW of version 1",
      ["convert", "-f", "raw", "-O", "qcow", "disk.raw", "image"],
      "image.unsupported-version",
      "qemu-img convert -f qcow",
    ],
    [
      "raw that nobody said to be",
      ["convert", "-f", "raw", "-O", "raw", "disk.raw", "image"],
      "image.unknown-format",
      "say that its format is raw",
    ],
    [
      "a backing file on a server",
      [...base("qcow2"), "nbd://localhost/x", "image", "1M"],
      "image.path-escapes",
      "Convert the chain",
    ],
    [
      "a backing file in another folder",
      [...base("qcow2"), "/elsewhere/base.raw", "image", "1M"],
      "image.parent-missing",
      "/elsewhere/base.raw",
    ],
    [
      "QED over one in another folder",
      [...base("qed"), "/elsewhere/base.raw", "image", "1M"],
      "image.parent-missing",
      "/elsewhere/base.raw",
    ],
  ])("%s", async (_name, make, code, words) => {
    scratch.remove("image");
    scratch.qemuImg(...make);
    const target = scratch.path("ours.raw");
    const error = await convertFile({
      source: scratch.path("image"),
      target,
      to: "raw",
      options: {},
      overwrite: true,
    }).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code });
    const { message, hint } = error as { message: string; hint?: string };
    expect(`${message} ${hint ?? ""}`).toContain(words);
  });
});
