import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertFile, fingerprintFile, openInspection } from "../file-conversion.ts";
import { failReadsAt } from "../filters/fail-at.ts";
import { seeded } from "../testing/hostile.ts";
import { Scratch } from "../testing/scratch.ts";
import { convertResumable } from "./convert-resumable.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
let fingerprint = "";
const DRIVER: Partial<Record<DiskFormatId, string>> = { vhd: "vpc" };

beforeAll(async () => {
  scratch.raw("disk.raw", 96 * MIB, [
    [0, 10 * MIB],
    [30 * MIB + 512, 20 * MIB],
    [70 * MIB, 9 * MIB + 4096],
    [96 * MIB - 512, 512],
  ]);
  fingerprint = await fingerprintFile(scratch.path("disk.raw"));
});

function compare(folder: string, to: DiskFormatId): void {
  const driver = DRIVER[to] ?? to;
  scratch.qemuImg("compare", "-f", "raw", "-F", driver, "disk.raw", `${folder}/out`);
  if (to !== "raw" && to !== "vhd") scratch.qemuImg("check", "-f", driver, `${folder}/out`);
}

/** One attempt; `failAt`: the source breaks at this byte. */
async function attempt(folder: string, to: DiskFormatId, failAt: number | null, identity = "same") {
  await using opened = await openInspection(scratch.path("disk.raw"), { from: "raw" });
  const error = new AppError("unavailable", "io.failed", "The medium broke.");
  const disk = failAt === null ? opened.disk : failReadsAt(opened.disk, failAt, error);
  return await convertResumable({ disk, identity, to, target: `${folder}/out`, checkpointBytes: 2 * MIB });
}

describe.each(["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"] as const)("%s", (to) => {
  it("goes on where a broken attempt ended, and is the same file", async () => {
    const folder = await mkdtemp(scratch.path(`${to}-`));
    for (const at of [5 * MIB, 40 * MIB, 75 * MIB]) {
      await expect(attempt(folder, to, at)).rejects.toMatchObject({ code: "io.failed" });
      expect((await readdir(folder)).sort()).toEqual([".out.part", ".out.part.journal"]);
    }
    const outcome = await attempt(folder, to, null);
    expect(outcome.resumedAt).toBeGreaterThan(30 * MIB);
    expect(outcome.moved).toBeLessThan(12 * MIB);
    expect(outcome.fingerprint).toBe(fingerprint);
    expect(await readdir(folder)).toEqual(["out"]);
    compare(folder, to);
  });
});

describe("what was left is not believed", () => {
  async function broken(): Promise<string> {
    const folder = await mkdtemp(scratch.path("left-"));
    await expect(attempt(folder, "raw", 75 * MIB)).rejects.toMatchObject({ code: "io.failed" });
    return folder;
  }
  const finish = async (folder: string, identity?: string) => {
    const outcome = await attempt(folder, "raw", null, identity);
    expect(outcome.fingerprint).toBe(fingerprint);
    compare(folder, "raw");
    return outcome.resumedAt;
  };

  it("another source begins anew", async () => {
    expect(await finish(await broken(), "other")).toBe(0);
  });

  it("bytes that changed since their checkpoint are written again", async () => {
    const folder = await broken();
    const part = readFileSync(`${folder}/.out.part`);
    // What follows the checkpoint before the last is read back.
    const lines = readFileSync(`${folder}/.out.part.journal`, "utf8").trim().split("\n");
    const { value } = JSON.parse(lines.at(-1) ?? "") as { value: { at: number; from: number } };
    const changed = value.from + 77;
    part[changed] = 255 - (part[changed] ?? 0);
    writeFileSync(`${folder}/.out.part`, part);
    expect(await finish(folder)).toBe(value.from);
  });

  it("a part that was cut, a torn journal, none at all", async () => {
    const cut = await broken();
    truncateSync(`${cut}/.out.part`, 45 * MIB);
    expect(await finish(cut)).toBeLessThanOrEqual(45 * MIB);
    const torn = await broken();
    const journal = readFileSync(`${torn}/.out.part.journal`);
    writeFileSync(`${torn}/.out.part.journal`, journal.subarray(0, journal.length - 20));
    expect(await finish(torn)).toBeGreaterThan(30 * MIB);
    const none = await broken();
    writeFileSync(`${none}/.out.part.journal`, "nonsense\n");
    expect(await finish(none)).toBe(0);
  });
});

it("by file: a source that was touched begins anew; streams and packed sources say that they cannot", async () => {
  const folder = await mkdtemp(scratch.path("file-"));
  const source = scratch.path("disk.raw");
  const run = (to: DiskFormatId, options: Record<string, unknown> = {}) =>
    convertFile({ source, target: `${folder}/out`, to, options, resume: true });
  const outcome = await run("qcow2");
  expect(outcome).toMatchObject({ fingerprint, resumedAt: 0 });
  await expect(run("qcow2")).rejects.toMatchObject({ code: "io.exists" });
  utimesSync(source, new Date(), new Date());
  await expect(
    convertFile({
      source,
      target: `${folder}/s.vmdk`,
      to: "vmdk",
      options: { subformat: "streamOptimized" },
      resume: true,
    }),
  ).rejects.toMatchObject({ code: "options.not-resumable" });
  expect(await readdir(folder)).toEqual(["out"]);
});

it("kill -9 at random moments, again and again: the file comes out whole", async () => {
  const folder = await mkdtemp(scratch.path("kill-"));
  const random = seeded(20_261_126);
  const child = new URL("../testing/resume-child.ts", import.meta.url);
  for (let round = 0, killed = 0; round < 40; round++) {
    const task = fork(child, [scratch.path("disk.raw"), `${folder}/out`, killed < 4 ? "60" : "10000"], {
      execArgv: [],
      stdio: "ignore",
    });
    const ended = once(task, "exit");
    // It tells when it begins to write.
    await Promise.race([once(task, "message"), ended]);
    if (killed < 4) {
      await Promise.race([delay(20 + random(350)), ended]);
      task.kill("SIGKILL");
    }
    const [code] = (await ended) as [number | null];
    if (code === 0) break;
    killed++;
    expect((await readdir(folder)).includes("out")).toBe(false);
    expect(killed).toBeLessThan(8);
  }
  expect(await readdir(folder)).toEqual(["out"]);
  compare(folder, "qcow2");
  expect(await fingerprintFile(`${folder}/out`)).toBe(fingerprint);
}, 60_000);
