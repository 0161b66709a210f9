import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTestDatabase } from "#lib/db/testing.ts";
import { settings } from "#lib/db/schema.ts";
import { secretBox } from "./box.ts";
import { checkSecretKey, rememberSecretKey } from "./key-check.ts";
import { keyFile, readKeyFile } from "./key-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "supravisor-keys-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a sealed secret", () => {
  const box = secretBox(randomBytes(32));

  it("opens for what it was sealed for, and never looks the same twice", () => {
    const sealed = box.seal("pässword", "host-1");
    expect(box.open(sealed, "host-1")).toBe("pässword");
    expect(sealed).not.toContain("pässword");
    expect(box.seal("pässword", "host-1")).not.toBe(sealed);
  });

  it("does not open for another row, another key, or when a byte was changed", () => {
    const sealed = box.seal("secret", "host-1");
    expect(() => box.open(sealed, "host-2")).toThrow(expect.objectContaining({ code: "secret.unreadable" }));
    expect(() => secretBox(randomBytes(32)).open(sealed, "host-1")).toThrow(/cannot be decrypted/);
    const parts = sealed.split(".");
    for (const [at, part] of parts.entries()) {
      const bytes = Buffer.from(part, "base64");
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      const changed = parts.with(at, at === 0 ? "v2" : bytes.toString("base64")).join(".");
      expect(() => box.open(changed, "host-1"), `part ${at}`).toThrow(/cannot be decrypted/);
    }
    // A tag cut to four bytes would be guessed in a day.
    const short = parts
      .with(
        2,
        Buffer.from(parts[2] ?? "", "base64")
          .subarray(0, 4)
          .toString("base64"),
      )
      .join(".");
    for (const text of ["", "v1", "v1...", short])
      expect(() => box.open(text, "host-1"), text).toThrow(/cannot be decrypted/);
  });

  it("wants a key of 32 bytes", () => {
    expect(() => secretBox(randomBytes(16))).toThrow(expect.objectContaining({ code: "secret.bad-key" }));
  });
});

describe("a key file", () => {
  it("is made once however many ask at the same time, for its owner alone, and leaves nothing beside it", async () => {
    const path = join(folder, "deep", "secret.key");
    expect(await readKeyFile(path)).toBeNull();
    const keys = await Promise.all(Array.from({ length: 8 }, () => keyFile(path)));
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, "deep"))).toEqual(["secret.key"]);
    expect(await keyFile(path)).toEqual(keys[0]);
  });

  it("that others could read is closed to them, and is never replaced", async () => {
    const path = join(folder, "given.key");
    const key = randomBytes(32).toString("base64");
    await writeFile(path, key, { mode: 0o644 });
    expect((await keyFile(path)).toString("base64")).toBe(key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, "utf8")).toBe(key);
  });
});

describe("the key of a database", () => {
  it("is told from another one", async () => {
    const database = await openTestDatabase();
    try {
      const own = secretBox(randomBytes(32));
      const other = secretBox(randomBytes(32));
      expect(await checkSecretKey(database.db, own)).toBe("none");
      await rememberSecretKey(database.db, own);
      expect(await checkSecretKey(database.db, own)).toBe("same");
      expect(await checkSecretKey(database.db, other)).toBe("other");
      await rememberSecretKey(database.db, other);
      expect(await checkSecretKey(database.db, own)).toBe("other");
      expect(await database.db.select().from(settings)).toHaveLength(1);
    } finally {
      await database.close();
    }
  });
});
