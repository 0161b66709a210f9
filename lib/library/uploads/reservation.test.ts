import { randomUUID } from "node:crypto";
import { statfs, stat, utimes, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { uploads } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { appendBody } from "./append-body.ts";
import { requireRoomToGoOn, setAside } from "./reservation.ts";
import { beginUpload } from "./upload-record.ts";
import { uploadPath, uploadsFolder } from "./upload-path.ts";

const HOUR = 3600_000;
let services: TestServices;
let ada: Ctx;
let bob: Ctx;
beforeAll(async () => {
  services = await testServices();
  ada = await testPerson(services, "operator");
  bob = await testPerson(services, "operator");
});
afterAll(() => services.close());
beforeEach(() => services.db.delete(uploads).then(() => undefined));

const aim = (more: { setId?: string; fileName?: string } = {}) => ({
  fileName: more.fileName ?? "disk.img",
  imageId: null,
  imageName: null,
  saidFormat: null,
  setId: more.setId ?? null,
  setSize: more.setId === undefined ? null : 1000,
});
const free = async (): Promise<number> => {
  const { bavail, bsize } = await statfs(services.dataDir);
  return bavail * bsize;
};

describe("what is set aside", () => {
  const row = { size: 1000, createdAt: new Date(0) };
  it.each([
    ["just begun", { bytes: 0, at: 0 }, 1, 1000],
    ["an hour without a byte", { bytes: 0, at: 0 }, HOUR + 1, 0],
    ["half of it, and going on", { bytes: 500, at: 20 * HOUR }, 20 * HOUR + 1, 500],
    ["half of it, then an hour of silence", { bytes: 500, at: 20 * HOUR }, 21 * HOUR + 1, 0],
    ["a byte now and then", { bytes: 1, at: 2 * HOUR }, 2 * HOUR + 1, 0],
    ["all of it", { bytes: 1000, at: 5 }, 6, 0],
    ["its file is gone", { bytes: 0, at: null }, 1, 0],
  ])("%s", (_what, here, now, expected) => {
    expect(setAside(row, here, now)).toBe(expected);
  });
});

it("one person who promises all of the disk keeps nobody out", async () => {
  const room = await free();
  await beginUpload(bob, aim(), Math.floor(room * 0.9));
  // What he promised himself counts against him in full,
  await expect(beginUpload(bob, aim(), Math.floor(room * 0.3))).rejects.toMatchObject({ code: "library.full" });
  // against others by half.
  await beginUpload(ada, aim(), Math.floor(room * 0.3));
  await expect(beginUpload(ada, aim(), Math.floor(room * 0.4))).rejects.toMatchObject({ code: "library.full" });
});

it("an upload without a byte for an hour holds nothing; it may go on while there is room", async () => {
  const room = await free();
  const row = await beginUpload(bob, aim(), Math.floor(room * 0.8));
  const old = new Date(Date.now() - 2 * HOUR);
  await utimes(uploadPath(services.dataDir, row.id), old, old);
  await services.db.update(uploads).set({ createdAt: old }).where(eq(uploads.id, row.id));
  const hers = await beginUpload(ada, aim(), Math.floor(room * 0.7));
  const lapsed = { ...row, createdAt: old };
  await expect(requireRoomToGoOn(bob, lapsed)).rejects.toMatchObject({ code: "library.full" });
  await services.db.delete(uploads).where(eq(uploads.id, hers.id));
  await requireRoomToGoOn(bob, lapsed);
});

it("a person has so many uploads open, and a set is one of them", async () => {
  const setId = randomUUID();
  for (let i = 0; i < 49; i++) await beginUpload(ada, aim(), 10);
  await beginUpload(ada, aim({ setId, fileName: "a.vmdk" }), 10);
  await expect(beginUpload(ada, aim(), 10)).rejects.toMatchObject({ code: "upload.too-many", kind: "too-many" });
  await beginUpload(ada, aim({ setId, fileName: "b.vmdk" }), 10);
  await beginUpload(bob, aim(), 10);
});

it("names of one set that some file system takes for one are refused", async () => {
  const setId = randomUUID();
  await beginUpload(ada, aim({ setId, fileName: "Disk.vmdk" }), 10);
  await expect(beginUpload(ada, aim({ setId, fileName: "disk.VMDK" }), 10)).rejects.toMatchObject({
    code: "image.names-collide",
  });
  await expect(beginUpload(ada, aim({ setId, fileName: "Disk.vmdk" }), 10)).rejects.toMatchObject({
    code: "upload.in-set",
  });
});

it("bytes go behind those that are in the open file, and its mode is ours alone", async () => {
  const row = await beginUpload(ada, aim(), 10);
  const path = uploadPath(services.dataDir, row.id);
  const signal = new AbortController().signal;
  expect(await appendBody(Readable.from([Buffer.from("abc")]), path, 0, 10, signal)).toBe(3);
  await writeFile(path, "a");
  await expect(appendBody(Readable.from([Buffer.from("def")]), path, 3, 10, signal)).rejects.toMatchObject({
    code: "upload.wrong-offset",
    details: { offset: 1 },
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(uploadsFolder(services.dataDir))).mode & 0o777).toBe(0o700);
});
