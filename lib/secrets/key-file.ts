/** Keys of this installation: 32 bytes in base64, in files that only their owner reads. */
import { randomBytes, randomUUID } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { AppError } from "#lib/errors.ts";

const KEY_BYTES = 32;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Null when there is no such file. Throws `secret.bad-key` for one that holds no key: an empty or cut file is no secret. */
export async function readKeyFile(path: string): Promise<Buffer | null> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const key = BASE64.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (key.length >= KEY_BYTES) return key;
  throw new AppError("invalid", "secret.bad-key", `The file ${path} holds no key of ${KEY_BYTES} bytes in base64.`, {
    hint: `Restore it from the backup. If there is none, move it aside: ${lossOf(basename(path))}`,
  });
}

/** What a new key in its place costs. */
function lossOf(name: string): string {
  return name === "auth.key"
    ? "a new one is made, and everybody signs in again."
    : "the next start says how to go on with a new one. The hosts' secrets then have to be entered again.";
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
