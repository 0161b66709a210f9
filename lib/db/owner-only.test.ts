import { chmod, lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openDatabase } from "./client.ts";

it("the embedded database is nobody's but ours, whatever the umask and whatever was there", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "owner-only-"));
  const open = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const name of ["", ...(await readdir(join(dataDir, "db"), { recursive: true }))])
      if (((await lstat(join(dataDir, "db", name))).mode & 0o077) !== 0) found.push(name);
    return found;
  };
  try {
    await (await openDatabase({ dataDir })).close();
    expect(await open()).toEqual([]);
    await chmod(join(dataDir, "db"), 0o755);
    await chmod(join(dataDir, "db", "PG_VERSION"), 0o644);
    const again = await openDatabase({ dataDir });
    expect(await open()).toEqual([]);
    await again.close();
    expect(await open()).toEqual([]);
  } finally {
    await rm(dataDir, { recursive: true });
  }
}, 120_000);
