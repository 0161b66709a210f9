import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listImportFolder, requireImportable } from "./folders.ts";
import type { ImportPlace } from "./import-guard.ts";

let root: string;
let allowed: ImportPlace;
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "folders-test-")));
  await mkdir(join(root, "images", "sub"), { recursive: true });
  await mkdir(join(root, "images-not"));
  await writeFile(join(root, "images", "a.img"), "a");
  await writeFile(join(root, "images", ".hidden"), "h");
  await writeFile(join(root, "images", "sub", "b.img"), "bb");
  await writeFile(join(root, "images-not", "secret"), "s");
  await symlink(join(root, "images-not", "secret"), join(root, "images", "leads-out"));
  await symlink("/etc", join(root, "images", "etc"));
  await symlink(join(root, "images", "sub", "b.img"), join(root, "images", "leads-in"));
  await symlink(join(root, "images"), join(root, "door"));
  await mkdir(join(root, "data"));
  allowed = { folders: [join(root, "door")], dataDir: join(root, "data") };
});
afterAll(() => rm(root, { recursive: true }));

describe("requireImportable", () => {
  it("finds a file or folder by its true path", async () => {
    const file = { path: join(root, "images", "a.img"), folder: false };
    expect(await requireImportable(allowed, join(root, "door", "a.img"))).toEqual(file);
    expect(await requireImportable(allowed, join(root, "images", "leads-in"))).toEqual({
      ...file,
      path: join(root, "images", "sub", "b.img"),
    });
    expect(await requireImportable(allowed, join(root, "door", "sub"))).toEqual({
      path: join(root, "images", "sub"),
      folder: true,
    });
  });

  it.each([
    "images-not/secret",
    "images/../images-not/secret",
    "images/leads-out",
    "images/etc/passwd",
    "images/absent",
    "images/a.img\u0000",
  ])("refuses %s without telling whether it is there", async (path) => {
    await expect(requireImportable(allowed, join(root, "/") + path)).rejects.toMatchObject({
      code: "import.outside-folders",
      kind: "forbidden",
    });
  });

  it("allows nothing when nothing is allowed", async () => {
    await expect(requireImportable({ ...allowed, folders: [] }, join(root, "images", "a.img"))).rejects.toMatchObject({
      code: "import.outside-folders",
    });
    await expect(requireImportable(allowed, join(root, "images-not"))).rejects.toMatchObject({
      code: "import.outside-folders",
    });
  });
});

describe("listImportFolder", () => {
  it("lists the allowed folders, then what lies in one", async () => {
    expect(await listImportFolder(allowed, "")).toEqual([
      { name: allowed.folders[0], path: allowed.folders[0], directory: true, size: null },
    ]);
    const entries = await listImportFolder(allowed, join(root, "door"));
    expect(entries.map(({ name, directory, size }) => [name, directory, size])).toEqual([
      ["sub", true, null],
      ["a.img", false, 1],
      ["leads-in", false, 2],
    ]);
  });

  it("does not offer an allowed folder that is not there, or that holds the data folder", async () => {
    const folders = [join(root, "door"), join(root, "not-yet"), root, "/etc"];
    expect((await listImportFolder({ ...allowed, folders }, "")).map(({ path }) => path)).toEqual([join(root, "door")]);
  });

  it("lists nothing outside", async () => {
    await expect(listImportFolder(allowed, "/etc")).rejects.toMatchObject({ code: "import.outside-folders" });
    await expect(listImportFolder(allowed, join(root, "images", "etc"))).rejects.toMatchObject({
      code: "import.outside-folders",
    });
  });
});
