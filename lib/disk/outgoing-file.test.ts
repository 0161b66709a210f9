import { afterAll, expect, it } from "vitest";
import { openInspection } from "./file-conversion.ts";
import { createFileSink } from "./files/file-sink.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import { planOutgoing } from "./outgoing-file.ts";
import { Scratch } from "./testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

it.each([["vhdx"], ["qcow2"], ["vhd"]] as const)(
  "a %s fetched with cuts is the whole disk, and so is its fingerprint",
  async (to) => {
    const raw = scratch.raw("in.raw", 37 * MIB + 512, [
      [100, 3 * MIB],
      [20 * MIB - 7, MIB],
      [37 * MIB, 512],
    ]);
    await using image = await openInspection(raw);
    const seen: number[] = [];
    await using file = await planOutgoing({ disk: image.disk, to, onProgress: ({ done }) => seen.push(done) });
    {
      await using sink = await createFileSink(scratch.path(`out.${to}`), { overwrite: true });
      // Each piece begins before the end of the one before it, as a client does that lost its connection.
      for (let at = 0; at < file.length; at += 700_000) {
        const from = Math.max(0, at - 90_000);
        const bytes = Buffer.alloc(Math.min(file.length, at + 700_000) - from);
        await file.read(from, bytes);
        await sink.write(from, bytes);
      }
      await sink.commit(file.length);
    }
    const { fingerprint, fileLength } = await file.finish();
    expect(fileLength).toBe(file.length);
    expect(fingerprint).toBe(await fingerprintDisk(image.disk));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    scratch.qemuImg("compare", "-f", "raw", "-F", to === "vhd" ? "vpc" : to, raw, `out.${to}`);
  },
);

it("a disk that nobody fetched has its fingerprint all the same", async () => {
  const raw = scratch.raw("in.raw", 5 * MIB, [[MIB, MIB]]);
  await using image = await openInspection(raw);
  await using file = await planOutgoing({ disk: image.disk, to: "vdi" });
  expect((await file.finish()).fingerprint).toBe(await fingerprintDisk(image.disk));
});

it("what has no length beforehand cannot be fetched", async () => {
  const raw = scratch.raw("in.raw", MIB, []);
  await using image = await openInspection(raw);
  await expect(
    planOutgoing({ disk: image.disk, to: "vmdk", options: { subformat: "streamOptimized" } }),
  ).rejects.toMatchObject({ code: "image.not-plannable" });
});
