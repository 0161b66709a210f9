/** Which disks go straight into which hosts, and which must be kept meanwhile; what arrives is the disk either way. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { piecesOf } from "#lib/disk/testing/disk-pieces.ts";
import { memoryDisk } from "#lib/disk/testing/memory.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { PRODUCTS } from "./demo/products.ts";
import type { DiskSpec, Intake } from "./adapter.ts";
import { type Delivery, deliverDisk } from "./deliver-disk.ts";

const MIB = 1024 ** 2;
const SIZE = 24 * MIB;
const disk = Buffer.alloc(SIZE);
disk.fill("begin", 0, 300_000);
disk.fill("middle", 9 * MIB + 512, 9 * MIB + 90_000);
disk.fill("end", SIZE - 4096, SIZE);

let folder: string;
let expected: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "supravisor-deliver-"));
  expected = await fingerprintDisk(memoryDisk(disk));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A host that takes a new disk in that way only, as a file. */
function hostThat(intake: Intake, path: string, asked: DiskSpec[]): Delivery["adapter"] {
  return {
    capabilities: {
      ...PRODUCTS.kvm.capabilities,
      formatOptions: { vmdk: intake === "in-order" ? { subformat: "streamOptimized" } : {} },
    },
    intake: () => intake,
    async createDisk(spec) {
      asked.push(spec);
      const resource = { kind: "disk" as const, ref: path, label: path };
      const file = await createFileSink(path);
      if (intake === "by-range") {
        return {
          resource,
          async pull(outgoing) {
            // From the end to the front, as no stream could.
            for (let end = outgoing.length; end > 0; end -= Math.min(MIB, end)) {
              const part = Buffer.alloc(Math.min(MIB, end));
              await outgoing.read(end - part.length, part);
              await file.write(end - part.length, part);
            }
            await file.commit(outgoing.length);
            await file[Symbol.asyncDispose]();
          },
        };
      }
      if (intake === "any-order") return { resource, sink: file };
      let at = 0;
      return {
        resource,
        sink: {
          seekable: false,
          async write(offset, bytes) {
            if (offset < at) throw new Error("written backwards");
            at = offset + bytes.length;
            await file.write(offset, bytes);
          },
          async commit(length) {
            if (intake === "known-length" && spec.fileLength !== length)
              throw new Error(`${spec.fileLength} was announced, ${length} came`);
            await file.commit(length);
          },
          [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
        },
      };
    },
  };
}

let count = 0;
async function deliver(intake: Intake, format: DiskFormatId, source: Delivery["source"]) {
  const path = join(folder, `disk-${++count}`);
  const reasons: string[] = [];
  const seen: number[] = [];
  const asked: DiskSpec[] = [];
  const outcome = await deliverDisk({
    source,
    adapter: hostThat(intake, path, asked),
    spec: { poolRef: "p", name: "d", format, placement: {} },
    spool: { folder, name: "spool" },
    onSpool: (reason) => void reasons.push(reason),
    signal: new AbortController().signal,
    onProgress: ({ done, total }) => {
      expect(total).toBe(SIZE);
      seen.push(done);
    },
  });
  expect(outcome).toMatchObject({ fingerprint: expected, virtualSize: SIZE, resource: { ref: path } });
  await using arrived = await openInspection(path, { from: format });
  expect(await fingerprintDisk(arrived.disk)).toBe(expected);
  expect(seen.at(-1)).toBe(SIZE);
  expect(seen.every((done, i) => done >= (seen[i - 1] ?? 0))).toBe(true);
  expect(asked).toHaveLength(1);
  expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([]);
  return reasons;
}

const once = (order: DiskStream["order"]) => ({ access: "once" as const, stream: piecesOf(disk, order) });

/** As it comes: forward, unordered. */
const STRAIGHT: readonly (readonly [Intake, DiskFormatId, boolean, boolean])[] = [
  ["any-order", "raw", true, true],
  ["any-order", "vdi", true, true],
  ["any-order", "vmdk", true, true],
  ["in-order", "vmdk", true, false],
  ["known-length", "raw", true, false],
  ["known-length", "qcow2", false, false],
  ["known-length", "vhd", false, false],
  ["by-range", "vhdx", false, false],
];

describe("a disk on its way to a host", () => {
  it.each(STRAIGHT)("that takes it %s as %s", async (intake, format, forward, unordered) => {
    expect(await deliver(intake, format, once("forward"))).toHaveLength(forward ? 0 : 1);
    expect(await deliver(intake, format, once("unordered"))).toHaveLength(unordered ? 0 : 1);
    expect(await deliver(intake, format, { access: "random", disk: memoryDisk(disk) })).toEqual([]);
  });

  it("is told of before it is kept, and nothing is made on the host when it cannot be", async () => {
    const asked: DiskSpec[] = [];
    const reasons: string[] = [];
    const failing = deliverDisk({
      source: once("forward"),
      adapter: hostThat("by-range", join(folder, "never"), asked),
      spec: { poolRef: "p", name: "d", format: "vhdx", placement: {} },
      spool: { folder: join(folder, "missing"), name: "spool" },
      onSpool: (reason) => void reasons.push(reason),
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    const error: unknown = await failing.catch((each: unknown) => each);
    expect(error).toBeInstanceOf(AppError);
    expect(reasons).toEqual(["the target fetches the file itself, part by part"]);
    expect(asked).toEqual([]);
  });
});
