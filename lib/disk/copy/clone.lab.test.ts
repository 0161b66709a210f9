import { execFileSync } from "node:child_process";
import { copyFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertDisk, convertWithoutFingerprint } from "../convert.ts";
import { openInspection } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import { LoopDevice, loopsMissing, XfsMount } from "../testing/loop-mount.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
const missing = loopsMissing();
afterAll(() => scratch[Symbol.dispose]());

const SIZE = 80 * MIB + 1536;
const source = scratch.raw("source.raw", SIZE, [
  [0, 20 * MIB],
  [33 * MIB + 4096, 10 * MIB],
  [SIZE - 700_000, 700_000],
]);

/** Bytes of the file that it shares with others. */
function sharedBytes(path: string): number {
  const map = execFileSync("filefrag", ["-v", path], { encoding: "utf8" });
  let blocks = 0;
  for (const line of map.split("\n")) {
    const extent = /^\s*\d+:\s*\d+\.\.\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+):.*shared/.exec(line);
    if (extent !== null) blocks += Number(extent[1]);
  }
  return blocks * 4096;
}

describe.skipIf(missing !== null)(
  `on a file system that shares blocks${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    it.each<[DiskFormatId, string, Record<string, unknown>]>([
      ["raw", "raw", {}],
      ["qcow2", "qcow2", {}],
      ["vhd", "vpc", { subformat: "fixed" }],
      ["vhdx", "vhdx", {}],
      ["vdi", "vdi", {}],
      ["vmdk", "vmdk", {}],
    ])(
      "to %s: whole blocks are shared, the rest is copied, and the source stays as it is",
      async (to, theirs, options) => {
        using loop = new Scratch();
        using xfs = new XfsMount(loop);
        const from = join(xfs.folder, "source.raw");
        execFileSync("cp", ["--sparse=always", source, from]);
        const before = statSync(from).mtimeMs;
        await using opened = await openInspection(from);
        const target = join(xfs.folder, `target.${to}`);
        {
          await using sink = await createFileSink(target);
          const { moved } = await convertWithoutFingerprint({ disk: opened.disk, to, options, sink });
          expect(moved).toBeLessThan(2 * MIB);
        }
        expect(sharedBytes(target)).toBeGreaterThan(30 * MIB);
        scratch.qemuImg("compare", "-f", "raw", "-F", theirs, from, target);
        {
          await using sink = await createFileSink(target, { overwrite: true });
          const { fingerprint } = await convertDisk({ disk: opened.disk, to, options, sink });
          expect(fingerprint).toBe(await fingerprintDisk(opened.disk));
        }
        scratch.qemuImg("compare", "-f", "raw", "-F", theirs, from, target);
        expect(statSync(from).mtimeMs).toBe(before);
      },
    );

    it("a block device is read whole, and converted like a file", async () => {
      const file = scratch.path("device.raw");
      copyFileSync(source, file);
      // A device has whole sectors.
      truncateSync(file, SIZE);
      using device = new LoopDevice(file);
      await using opened = await openInspection(device.path, { from: "raw" });
      expect(opened.disk.size).toBe(SIZE);
      const target = scratch.path("device.qcow2");
      await using sink = await createFileSink(target);
      const { fingerprint } = await convertDisk({ disk: opened.disk, to: "qcow2", sink });
      expect(fingerprint).toBe(await fingerprintDisk(opened.disk));
      scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", source, target);
    });
  },
);
