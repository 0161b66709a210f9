/** What we write, qemu-img finds without fault and equal to the source. */
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, it, describe } from "vitest";
import { convertFile, fingerprintFile } from "../../file-conversion.ts";
import { readPlan } from "../../plan-reader.ts";
import { memoryDisk } from "../../testing/memory.ts";
import { Scratch } from "../../testing/scratch.ts";
import { Qcow2Options } from "./options.ts";
import { planQcow2 } from "./plan.ts";

const MIB = 1024 * 1024;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

async function expectWritten(raw: string, options: Record<string, unknown>): Promise<void> {
  const target = scratch.path("out.qcow2");
  const done = await convertFile({ source: raw, from: "raw", target, to: "qcow2", options, overwrite: true });
  scratch.qemuImg("check", "-f", "qcow2", "out.qcow2");
  scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", raw, "out.qcow2");
  expect(done.fingerprint).toBe(await fingerprintFile(raw, { from: "raw" }));
  expect(await fingerprintFile(target)).toBe(done.fingerprint);
  await convertFile({ source: target, target: scratch.path("back.raw"), to: "raw", options: {}, overwrite: true });
  expect(readFileSync(scratch.path("back.raw")).equals(readFileSync(raw))).toBe(true);
}

describe("a qcow2 that we write", () => {
  it.each([512, 1024, 4096, 65_536, 2_097_152])("with clusters of %d bytes", async (cluster_size) => {
    const raw = scratch.raw("in.raw", 40 * MIB + 1536, [
      [0, 100],
      [5 * MIB - 3, 3 * MIB],
      [33 * MIB + 7, 200_000],
      [40 * MIB + 1500, 36],
    ]);
    await expectWritten(raw, { cluster_size });
  });

  it.each([0, 512, 65_536, 65_536 * 8192, 65_536 * 8192 + 512])("of %d bytes, empty but for its end", async (size) => {
    const raw = scratch.raw("size.raw", size, size === 0 ? [] : [[size - 512, 512]]);
    await expectWritten(raw, {});
  });

  it("of 15 TB with data at both ends", async () => {
    const size = 15 * 2 ** 40;
    const raw = scratch.raw("big.raw", size, [
      [0, MIB],
      [size - MIB, MIB],
    ]);
    const done = await convertFile({
      source: raw,
      from: "raw",
      target: scratch.path("big.qcow2"),
      to: "qcow2",
      options: {},
    });
    scratch.qemuImg("check", "-f", "qcow2", "big.qcow2");
    expect(await fingerprintFile(scratch.path("big.qcow2"))).toBe(done.fingerprint);
    expect(done.moved).toBeLessThan(3 * MIB);
    expect(done.fileLength).toBeLessThan(4 * MIB);
  });

  it("refuses a disk beyond what the cluster size can map", async () => {
    const raw = scratch.raw("wide.raw", 2 ** 40, []);
    await expect(
      convertFile({
        source: raw,
        from: "raw",
        target: scratch.path("wide.qcow2"),
        to: "qcow2",
        options: { cluster_size: 512 },
      }),
    ).rejects.toMatchObject({ code: "image.too-large-for-format" });
  });

  it.each([{ cluster_size: 1000 }, { cluster_size: 4_194_304 }, { unheard: "of" }])("refuses %o", async (options) => {
    const raw = scratch.raw("opt.raw", 512, []);
    await expect(
      convertFile({ source: raw, from: "raw", target: scratch.path("opt.qcow2"), to: "qcow2", options }),
    ).rejects.toMatchObject({ code: "options.invalid", kind: "invalid" });
  });

  it("any pattern of data: sound for qemu-img, and any range of the plan is a range of the file", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom("d", "-"), minLength: 1, maxLength: 300 }),
        fc.integer({ min: 0, max: 511 }),
        fc.constantFrom(512, 1024, 4096),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (kinds, cut, cluster, a, b) => {
          const bytes = Buffer.alloc(kinds.length * 512 - cut);
          for (let i = 0; i < bytes.length; i++) if (kinds[Math.floor(i / 512)] === "d") bytes[i] = 1 + (i % 251);
          const disk = memoryDisk(bytes, kinds);
          const plan = await planQcow2(disk, Qcow2Options.parse({ cluster_size: cluster }));
          const whole = Buffer.alloc(plan.length);
          await readPlan(plan, disk, 0, whole);
          const from = Math.floor(a * plan.length);
          const part = Buffer.alloc(Math.floor(b * (plan.length - from)), 0xee);
          await readPlan(plan, disk, from, part);
          expect(part.equals(whole.subarray(from, from + part.length))).toBe(true);

          writeFileSync(scratch.path("any.qcow2"), whole);
          writeFileSync(scratch.path("any.raw"), bytes);
          scratch.qemuImg("check", "-f", "qcow2", "any.qcow2");
          // qemu-img counts sectors: a raw file's odd end is filled with zeros.
          scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", "any.raw", "any.qcow2");
        },
      ),
      { numRuns: 25 },
    );
  });
});
