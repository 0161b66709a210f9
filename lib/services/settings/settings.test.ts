import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { listFolder } from "#lib/services/image/import-image.ts";
import type { Ctx } from "../context.ts";
import { testPerson } from "../testing.ts";
import { changeSettings, readSettings } from "./settings.ts";

let services: TestServices;
let admin: Ctx;
let work: string;
beforeAll(async () => {
  services = await testServices();
  work = await realpath(await mkdtemp(join(tmpdir(), "settings-test-")));
  const dataDir = join(work, "data");
  await mkdir(join(dataDir, "library"), { recursive: true });
  await mkdir(join(work, "images", "deep"), { recursive: true });
  await mkdir(join(work, "data-of-others"));
  await writeFile(join(work, "a-file"), "");
  await symlink(work, join(work, "images", "up"));
  await symlink("/etc", join(work, "to-etc"));
  await symlink("library", join(dataDir, "shelf"));
  admin = { ...(await testPerson(services, "administrator")), dataDir };
});
afterAll(async () => {
  await services.close();
  await rm(work, { recursive: true });
});

const allow = (...importFolders: string[]) => changeSettings(admin, { importFolders });

describe("a folder that can never be imported from", () => {
  it.each([
    ["/", "whole file system"],
    ["//", "whole file system"],
    ["/srv/..", "whole file system"],
    ["/proc", "/proc"],
    ["/proc/self/root", "whole file system"],
    ["/proc/1/cwd/nothing", "/proc|whole file system"],
    ["/sys/kernel", "/sys"],
    ["/dev/shm", "/dev"],
    ["/etc", "/etc"],
    ["/etc/ssl/../ssl", "/etc"],
    ["/run/lock", "/run"],
    ["/var/run", "/run"],
    ["/run/media", "/run"],
  ])("%s", async (folder, why) => {
    await expect(allow(folder)).rejects.toMatchObject({
      code: "settings.bad-import-folder",
      message: expect.stringMatching(why) as string,
    });
  });

  it("the data folder, what it lies in, what lies in it, and links to any of them", async () => {
    for (const name of [
      "",
      "data",
      "data/library",
      "data/not-there-yet",
      "images/up",
      "images/up/data",
      "data/shelf",
      "to-etc",
    ])
      await expect(allow(join(work, name)), name).rejects.toMatchObject({ code: "settings.bad-import-folder" });
    expect((await readSettings(admin)).importFolders).toEqual([]);
  });

  it("nor does a good one beside it make it through", async () => {
    await expect(allow(join(work, "images"), "/etc")).rejects.toMatchObject({ details: { folder: "/etc" } });
    expect((await readSettings(admin)).importFolders).toEqual([]);
  });
});

it("allows others, and says what is to be known of them", async () => {
  const folders = [
    join(work, "images"),
    join(work, "data-of-others"),
    "/nope/nowhere",
    join(work, "a-file"),
    "/run/media/ada/STICK",
  ];
  const saved = await allow(...folders);
  expect(saved.importFolders).toEqual(folders);
  expect(saved.importFolderNotices).toEqual([
    { folder: "/nope/nowhere", message: "/nope/nowhere does not exist on the server yet." },
    { folder: folders[3], message: `${folders[3] ?? ""} is not a folder on the server.` },
    { folder: folders[4], message: `${folders[4] ?? ""} does not exist on the server yet.` },
  ]);
  expect(await readSettings(admin)).toEqual(saved);
  const requester = { ...(await testPerson(services, "requester")), dataDir: admin.dataDir };
  expect(await readSettings(requester)).toMatchObject({ importFolders: [], importFolderNotices: [] });
});

it("a data folder that was moved into an allowed one closes it, and the settings say so", async () => {
  await allow(join(work, "images"));
  await rename(admin.dataDir, join(work, "images", "deep", "data"));
  const moved = { ...admin, dataDir: join(work, "images", "deep", "data") };
  await expect(listFolder(moved, join(work, "images"))).rejects.toMatchObject({ code: "import.outside-folders" });
  await expect(listFolder(moved, join(work, "images", "deep", "data"))).rejects.toMatchObject({
    code: "import.outside-folders",
  });
  expect((await readSettings(moved)).importFolderNotices).toMatchObject([
    { message: expect.stringContaining("data folder, with its keys, lies in it") as string },
  ]);
});
