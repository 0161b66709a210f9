/** The one-time code that shows the right to make the first administrator: it is known to who runs the server. */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#lib/errors.ts";

const NAME = "setup-code";
const CODE = /^[A-Za-z0-9_-]{22}$/;

function setupCodeFile(dataDir: string): string {
  return join(dataDir, NAME);
}

async function readCode(dataDir: string): Promise<string | null> {
  const text = await readFile(setupCodeFile(dataDir), "utf8").catch(() => "");
  return CODE.test(text.trim()) ? text.trim() : null;
}

/** The code of this installation, made if there is none: it stays the same over restarts until it is used. */
export async function ensureSetupCode(dataDir: string): Promise<string> {
  const there = await readCode(dataDir);
  if (there !== null) return there;
  const path = setupCodeFile(dataDir);
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, `${randomBytes(16).toString("base64url")}\n`, { mode: 0o600 });
  try {
    // Whole or not at all, and the first one counts.
    await link(draft, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
      if ((await readCode(dataDir)) === null) await rename(draft, path);
    });
  } finally {
    await rm(draft, { force: true });
  }
  const code = await readCode(dataDir);
  if (code !== null) return code;
  throw new AppError("internal", "setup.no-code", `The setup code cannot be kept in ${path}.`);
}

/** Used or of no more use. */
export async function forgetSetupCode(dataDir: string): Promise<void> {
  await rm(setupCodeFile(dataDir), { force: true });
}

/** Throws `setup.wrong-code`. */
export async function requireSetupCode(dataDir: string, given: string): Promise<void> {
  const code = await readCode(dataDir);
  const digest = (text: string) => createHash("sha256").update(text).digest();
  if (code !== null && timingSafeEqual(digest(code), digest(given))) return;
  throw new AppError("forbidden", "setup.wrong-code", "The setup code is wrong.", {
    hint: `The server printed it when it started, in an address that ends in /setup?code=…; it is also in the file ${NAME} of its data folder.`,
  });
}
