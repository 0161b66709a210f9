import { describe, expect, it } from "vitest";
import { ImageName } from "#lib/domain/image.ts";
import { fileStem } from "#lib/disk/containers/package.ts";
import { imageNameFrom, imageNameOf, requireDistinct, safeFileName, storedFileName } from "./file-names.ts";

const UNREADABLE = [
  "a\u0085b",
  "a\u009bb",
  "a\u202eb",
  "a\u2066b",
  "a\u200fb",
  "a\u061cb",
  "a\u2028b",
  "a\x7fb",
  "a\x1bb",
  "a\0b",
  "a\ud800b",
];
const DEVICES = ["CON", "con", "nul", "Com1", "LPT9", "com¹", "conin$"];

describe("names of files", () => {
  it.each([
    ...UNREADABLE,
    ...DEVICES,
    "NUL.img",
    "con.tar.gz",
    "aux .vmdk",
    "COM1:stream",
    "disk.img.",
    "disk.img ",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "",
    "x".repeat(201),
    "ä".repeat(101),
  ])("%j is refused, and the message is fit to be printed", (name) => {
    const error = (() => {
      try {
        safeFileName(name);
      } catch (thrown) {
        return thrown as Error;
      }
      return null;
    })();
    expect(error).toMatchObject({ code: "image.bad-file-name", kind: "invalid" });
    expect(error?.message).not.toMatch(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u);
  });

  it.each([
    "disk.img",
    "Größe 2.qcow2",
    "日本語.vmdk",
    "می\u200cخواهم.img",
    "👩\u200d💻.raw",
    "console.img",
    "null.img",
    "COM10.img",
    "a:b 12.img",
    "-rf",
  ])("%j is taken", (name) => {
    expect(safeFileName(name)).toBe(name);
  });

  it("a file that is there already may be older than the rules, but stays in its folder", () => {
    expect(storedFileName("a\u0085b.img")).toBe("a\u0085b.img");
    for (const name of ["..", "a/b", "a\\b", ".x", "", "a\0"]) expect(() => storedFileName(name)).toThrow();
  });

  it("two that some file system takes for one", () => {
    requireDistinct(["a.vmdk", "b.vmdk"]);
    for (const pair of [
      ["A.vmdk", "a.vmdk"],
      ["\u00e9.img", "e\u0301.img"],
      ["x", "x"],
    ])
      expect(() => requireDistinct(pair)).toThrow(expect.objectContaining({ code: "image.names-collide" }) as Error);
  });
});

describe("names of images", () => {
  it.each([...UNREADABLE, ...DEVICES, "..", "a/b", "a\\b", " ", ""])("%j is refused", (name) => {
    expect(ImageName.safeParse(name).success).toBe(false);
  });

  it("from a file or a VM are always ones that a person could give", () => {
    const from = [
      ...UNREADABLE,
      ...DEVICES,
      "..",
      "...",
      "",
      " ",
      "/",
      "x".repeat(300),
      "😀".repeat(200),
      "CON.x",
      "\u202e\u202e",
    ];
    for (const text of from)
      for (const name of [imageNameFrom(text), imageNameOf(text)])
        expect(ImageName.safeParse(name), text).toMatchObject({ success: true });
    expect(imageNameOf("web01.qcow2")).toBe("web01");
    expect(imageNameFrom("db\u202e on host")).toBe("db on host");
    expect(fileStem("CON")).toBe("machine-CON");
  });
});
