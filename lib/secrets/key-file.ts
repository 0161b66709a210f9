/** Keys of this installation: 32 bytes in base64, in files that only their owner reads. */
import { randomBytes, randomUUID } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Null when there is no such file. */
export async function readKeyFile(path: string): Promise<Buffer | null> {
  try {
    return Buffer.from((await readFile(path, "utf8")).trim(), "base64");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Made at first use. Of two processes that start together one makes the key and both read that one. */
export async function keyFile(path: string): Promise<Buffer> {
  const known = await readKeyFile(path);
  if (known !== null) {
    // A mounted secret may lie on a file system that refuses; its rights are then the mount's affair.
    await chmod(path, 0o600).catch(() => undefined);
    return known;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomUUID()}`;
  const file = await open(fresh, "wx", 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString("base64")}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // A link is all or nothing, and never over a key that is there: half a key would lock every secret away.
    await link(fresh, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(fresh, { force: true });
  }
  const made = await readKeyFile(path);
  if (made === null) throw new Error(`${path} vanished while it was made`);
  return made;
}
