import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { imageDisks, images, imageVersions, jobs, ledger, libraryFindings, settings, uploads } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { LibraryFault } from "#lib/domain/library-check.ts";
import { getImage } from "#lib/services/image/list-images.ts";
import { readLibraryCheck, runLibraryCheck } from "#lib/services/library/check-library.ts";
import { readOverview } from "#lib/services/overview/overview.ts";
import { testPerson } from "#lib/services/testing.ts";
import type { Ctx } from "#lib/services/context.ts";
import { loadVersionFacts } from "#lib/provisioning/facts.ts";
import { presentImageDetail } from "#lib/presenters/image.ts";
import { deployable } from "#lib/domain/image.ts";
import { openLibrary } from "../store.ts";
import { compareLibrary } from "./compare.ts";
import { startDailyCheck } from "./daily.ts";
import { inspectLibrary } from "./findings.ts";

let services: TestServices;
let admin: Ctx;
let auditor: Ctx;
beforeAll(async () => {
  services = await testServices();
  admin = await testPerson(services, "administrator");
  auditor = await testPerson(services, "auditor");
});
afterAll(() => services.close());
beforeEach(async () => {
  for (const table of [libraryFindings, imageDisks, imageVersions, images, uploads, ledger])
    await services.db.delete(table);
  for (const name of ["library", "uploads"]) {
    const folder = join(services.dataDir, name);
    for (const each of await readdir(folder).catch(() => []))
      if (each !== ".library-id") await rm(join(folder, each), { recursive: true });
  }
});

const guest = {
  partitionTable: "none",
  sectorSize: 512,
  partitions: [],
  boots: { bios: false, uefi: false },
  os: null,
  drivers: null,
  notes: [],
};

/** A ready version with two files, as analysis leaves it. */
async function addVersion(more: { fileSizes?: number[] | null; entry?: string; storedSize?: number } = {}) {
  const folder = randomUUID();
  const path = await (await openLibrary(services)).ensure(folder);
  await writeFile(join(path, "disk.vmdk"), "descriptor");
  await writeFile(join(path, "disk-flat.vmdk"), "x".repeat(1000));
  const [image] = await services.db
    .insert(images)
    .values({ name: `image ${folder.slice(0, 8)}`, createdByName: "Ada" })
    .returning();
  const imageId = image?.id ?? "";
  await services.db.insert(imageVersions).values({
    id: folder,
    imageId,
    number: 1,
    state: "ready",
    source: { kind: "upload", fileName: "disk.vmdk" },
    hints: { cpus: null, memory: null, firmware: null, bus: null, nic: null },
    folder,
    createdByName: "Ada",
  });
  await services.db.insert(imageDisks).values({
    versionId: folder,
    position: 0,
    fileName: "disk.vmdk",
    entry: more.entry ?? null,
    files: ["disk.vmdk", "disk-flat.vmdk"],
    format: "vmdk",
    variant: "monolithicFlat",
    virtualSize: 1024,
    storedSize: more.storedSize ?? 1010,
    details: {},
    notes: [],
    guest: guest as never,
    allocation: { slices: [], dataBytes: 1000, zeroBytes: 0 } as never,
    sha256: ["0", "1"],
    fileSizes: more.fileSizes === undefined ? [10, 1000] : more.fileSizes,
    fingerprint: "sv1:0",
  });
  return { path, id: folder, imageId };
}

const found = async () => (await compareLibrary(services)).faults.map(({ fault, place }) => [fault, place]);

it("files and database that agree: nothing is found", async () => {
  const { path } = await addVersion();
  // What belongs to us, and to work that is under way.
  await writeFile(join(path, ".disk.vmdk.gz.unpacked"), "");
  const [job] = await services.db
    .insert(jobs)
    .values({ kind: "image.import", title: "t", subjectKind: "image", subjectId: "s", input: {}, createdByName: "Ada" })
    .returning();
  const busy = randomUUID();
  await services.db.insert(ledger).values({ jobId: job?.id ?? "", kind: "file", ref: `library/${busy}`, label: "l" });
  await mkdir(join(services.dataDir, "library", busy));
  expect(await compareLibrary(services)).toEqual({ versions: 1, files: 2, faults: [] });
});

describe("what is wrong with a version's files", () => {
  it.each<[string, (path: string) => Promise<unknown>, LibraryFault, string]>([
    ["its folder is gone", (path) => rm(path, { recursive: true }), "folder-missing", ""],
    ["a file is gone", (path) => rm(join(path, "disk-flat.vmdk")), "file-missing", "/disk-flat.vmdk"],
    ["a file was cut", (path) => truncate(join(path, "disk-flat.vmdk"), 999), "wrong-size", "/disk-flat.vmdk"],
    ["a file has grown", (path) => writeFile(join(path, "disk.vmdk"), "x", { flag: "a" }), "wrong-size", "/disk.vmdk"],
    [
      "a file is a link to one elsewhere",
      async (path) => {
        await rename(join(path, "disk.vmdk"), join(services.dataDir, "aside"));
        await symlink(join(services.dataDir, "aside"), join(path, "disk.vmdk"));
      },
      "file-not-plain",
      "/disk.vmdk",
    ],
    ["a file more", (path) => writeFile(join(path, "other.img"), ""), "unknown-file", "/other.img"],
    ["a hidden file more", (path) => writeFile(join(path, ".disk.part"), ""), "unknown-file", "/.disk.part"],
  ])("%s", async (_what, harm, fault, place) => {
    const { path, id } = await addVersion();
    await addVersion();
    await harm(path);
    expect(await found()).toEqual([[fault, `library/${id}${place}`]]);
  });

  it("of one that an earlier release analysed: presence, and no size that nobody knows", async () => {
    const { path, id } = await addVersion({ fileSizes: null });
    await writeFile(join(path, "disk.vmdk"), "another length");
    expect(await found()).toEqual([]);
    await rm(join(path, "disk.vmdk"));
    expect(await found()).toEqual([["file-missing", `library/${id}/disk.vmdk`]]);
  });

  it("not of one that was removed meanwhile, or that is read again", async () => {
    const { path, id } = await addVersion();
    await rm(path, { recursive: true });
    for (const change of [{ state: "analysing" as const }, { state: "failed" as const, removedAt: new Date() }]) {
      await services.db.update(imageVersions).set(change).where(eq(imageVersions.id, id));
      expect(await found()).toEqual([]);
    }
  });
});

it("what belongs to nobody", async () => {
  const stray = randomUUID();
  const upload = randomUUID();
  const lost = randomUUID();
  await addVersion();
  await mkdir(join(services.dataDir, "library", stray));
  await writeFile(join(services.dataDir, "library", "notes.txt"), "");
  await mkdir(join(services.dataDir, "uploads"), { recursive: true });
  await writeFile(join(services.dataDir, "uploads", upload), "");
  await services.db.insert(uploads).values({ id: lost, userId: randomUUID(), fileName: "a.img", size: 10 });
  await services.db.insert(uploads).values({ userId: randomUUID(), fileName: "b.img", size: 10, state: "filed" });
  expect((await found()).sort()).toEqual(
    [
      ["unknown-file", "library/notes.txt"],
      ["unknown-folder", `library/${stray}`],
      ["unknown-upload", `uploads/${upload}`],
      ["upload-missing", `uploads/${lost}`],
    ].sort(),
  );
  // Nothing was touched by it.
  expect(await readdir(join(services.dataDir, "library"))).toEqual(expect.arrayContaining([stray, "notes.txt"]));
});

it("findings are kept and shown, remember when they began, and go when they are mended", async () => {
  const { path, id, imageId } = await addVersion();
  await rename(join(path, "disk-flat.vmdk"), join(services.dataDir, "aside"));
  const first = await runLibraryCheck(admin);
  expect(first).toMatchObject({
    versions: 1,
    files: 2,
    findings: [
      {
        fault: "file-missing",
        message: "disk-flat.vmdk is not in the library.",
        place: `library/${id}/disk-flat.vmdk`,
        version: { id, number: 1, imageId },
        expected: 1000,
      },
    ],
  });
  expect(await readLibraryCheck(auditor)).toEqual(first);
  await expect(runLibraryCheck(auditor)).rejects.toMatchObject({ code: "auth.forbidden" });
  const again = await runLibraryCheck(admin);
  expect(again.findings).toEqual(first.findings);
  // As without a console: the same, and nothing is kept.
  expect((await inspectLibrary(services)).findings).toEqual(first.findings);

  const shown = presentImageDetail(await getImage(admin, imageId));
  expect(shown.latest.faults).toEqual(["disk-flat.vmdk is not in the library."]);
  expect(deployable(shown.latest)).toBe(false);
  expect((await readOverview(admin)).library).toEqual({ findings: 1 });

  await rename(join(services.dataDir, "aside"), join(path, "disk-flat.vmdk"));
  expect((await runLibraryCheck(admin)).findings).toEqual([]);
  expect(presentImageDetail(await getImage(admin, imageId)).latest.faults).toEqual([]);
});

it("preflight looks at the files as they are, before any check has run", async () => {
  const { path, id } = await addVersion();
  expect((await loadVersionFacts(services, id)).image.faults).toEqual([]);
  await rm(join(path, "disk.vmdk"));
  expect((await loadVersionFacts(services, id)).image.faults).toEqual(["disk.vmdk is not in the library"]);
});

it("a library of another database is not compared", async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), "check-test-"));
  try {
    await expect(compareLibrary({ db: services.db, dataDir: elsewhere })).rejects.toMatchObject({
      code: "library.foreign",
    });
    expect(await readdir(elsewhere)).toEqual([]);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

it("runs once a day by itself", async () => {
  const { path } = await addVersion();
  await rm(join(path, "disk.vmdk"));
  const set = (checkedAt: string) =>
    services.db
      .update(settings)
      .set({ value: { checkedAt, versions: 0, files: 0 } })
      .where(eq(settings.key, "library-check"));
  const look = async () => {
    await services.db.delete(libraryFindings);
    const daily = startDailyCheck(services, 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await daily.close();
    return (await readLibraryCheck(admin)).findings.length;
  };
  await set(new Date(Date.now() - 3600_000).toISOString());
  expect(await look()).toBe(0);
  await set(new Date(Date.now() - 25 * 3600_000).toISOString());
  expect(await look()).toBe(1);
  await set(new Date(Date.now() + 48 * 3600_000).toISOString());
  expect(await look()).toBe(1);
});

it.skipIf(process.getuid?.() === 0)("a file that may not be read", async () => {
  const { path, id } = await addVersion();
  await chmod(join(path, "disk.vmdk"), 0o000);
  expect(await found()).toEqual([["file-unreadable", `library/${id}/disk.vmdk`]]);
});
