import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Database } from "#lib/db/client.ts";
import { openTestDatabase } from "#lib/db/testing.ts";
import { unpackedMark } from "./file-names.ts";
import { openLibrary } from "./store.ts";

let database: Database;
let dataDir: string;
beforeAll(async () => {
  database = await openTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), "store-test-"));
});
afterAll(async () => {
  await database.close();
  await rm(dataDir, { recursive: true });
});

it("gives the folder one identity and knows it again", async () => {
  const library = await openLibrary({ db: database.db, dataDir });
  expect((await readFile(join(dataDir, "library", ".library-id"), "utf8")).trim()).toBe(library.id);
  expect((await openLibrary({ db: database.db, dataDir })).id).toBe(library.id);
});

it("does not fill a folder that another database, or none, calls its library", async () => {
  const other = await openTestDatabase();
  const elsewhere = await mkdtemp(join(tmpdir(), "store-test-"));
  try {
    await openLibrary({ db: other.db, dataDir: elsewhere });
    // A fresh handle: what was opened before is remembered by it.
    const third = await openTestDatabase();
    await third.db.execute(`insert into settings (key, value) values ('library', '{"id":"${randomUUID()}"}')`);
    await expect(openLibrary({ db: third.db, dataDir: elsewhere })).rejects.toMatchObject({ code: "library.foreign" });
    await expect(openLibrary({ db: third.db, dataDir: join(elsewhere, "unmounted") })).rejects.toMatchObject({
      code: "library.foreign",
    });
    await third.close();
  } finally {
    await other.close();
    await rm(elsewhere, { recursive: true });
  }
});

it("moves a file in, and does not mind that it was moved before", async () => {
  const library = await openLibrary({ db: database.db, dataDir });
  const folder = randomUUID();
  const source = join(dataDir, "incoming");
  await writeFile(source, "bytes");
  await library.adopt(source, folder, "disk.img");
  await library.adopt(source, folder, "disk.img");
  expect(await readFile(join(library.pathOf(folder), "disk.img"), "utf8")).toBe("bytes");
  // One that came packed is gone once it is unpacked: bringing it in again finds its mark.
  await writeFile(join(library.pathOf(folder), unpackedMark("was.img.gz")), "");
  await library.adopt(source, folder, "was.img.gz");
  await expect(library.adopt(source, folder, "other.img")).rejects.toMatchObject({ code: "library.move-failed" });
  await expect(library.adopt(source, folder, "../x")).rejects.toMatchObject({ code: "image.bad-file-name" });
});

it("removes folders of versions and nothing else", async () => {
  const library = await openLibrary({ db: database.db, dataDir });
  const folder = randomUUID();
  await library.ensure(folder);
  await mkdir(join(dataDir, "precious"));
  for (const name of ["", ".", "..", "../precious", ".library-id", `${folder}/..`, folder.toUpperCase()]) {
    await expect(library.remove(name), name).rejects.toMatchObject({ code: "library.bad-folder" });
  }
  await library.remove(folder);
  await library.remove(folder);
  expect(await readdir(dataDir)).toContain("precious");
  expect(await readdir(join(dataDir, "library"))).not.toContain(folder);
});
