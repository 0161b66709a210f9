/**
 * Heads: how far the trail went at a moment, signed. Kept outside the database they show that entries at its end were
 * deleted, which a chain alone cannot. The newest one is a file that is replaced, the history one that only grows.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "./canonical.ts";
import { signatureFits, type AuditKeys } from "./keys.ts";

export const AuditHead = z.object({
  seq: z.number().int().positive(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** When it was signed, by this machine's clock. */
  at: z.string(),
  keyId: z.string(),
  publicKey: z.string(),
  signature: z.string(),
});
export type AuditHead = z.infer<typeof AuditHead>;

const signedText = ({ seq, hash, at, keyId }: Omit<AuditHead, "publicKey" | "signature">): string =>
  canonicalJson({ at, hash, keyId, seq });

export function signHead(keys: AuditKeys, end: { readonly seq: number; readonly hash: string }): AuditHead {
  const head = { seq: end.seq, hash: end.hash, at: new Date().toISOString(), keyId: keys.id };
  return { ...head, publicKey: keys.publicKey, signature: keys.sign(signedText(head)) };
}

/** Signed by the key that it names. Whether that key is the right one is for the reader to know. */
export function headFits(head: AuditHead): boolean {
  return signatureFits(head.keyId, head.publicKey, signedText(head), head.signature);
}

/** The newest head. */
const markPath = (dataDir: string): string => join(dataDir, "audit-head.json");

/** Where heads are added: SUPRAVISOR_AUDIT_HEADS may lie on storage that nobody on this machine can rewrite. */
export const historyPath = (dataDir: string): string =>
  process.env["SUPRAVISOR_AUDIT_HEADS"] || join(dataDir, "audit-heads.jsonl");

export interface KeptHeads {
  /** Oldest first, the mark last. */
  readonly heads: readonly AuditHead[];
  /** Lines that are no head, or whose signature does not fit. */
  readonly bad: number;
}

export async function readHeads(dataDir: string): Promise<KeptHeads> {
  const lines = (await textOf(historyPath(dataDir))).split("\n");
  const mark = await textOf(markPath(dataDir));
  const found = [...lines, mark].filter((line) => line.trim() !== "").map(headOf);
  const heads = found.filter((head) => head !== null);
  return { heads, bad: found.length - heads.length };
}

/** Null: there is none yet. A damaged one must not pass for a beginning. */
export async function readMark(dataDir: string): Promise<AuditHead | null | "damaged"> {
  const text = await textOf(markPath(dataDir));
  return text.trim() === "" ? null : (headOf(text) ?? "damaged");
}

function headOf(text: string): AuditHead | null {
  try {
    const head = AuditHead.parse(JSON.parse(text));
    return headFits(head) ? head : null;
  } catch {
    return null;
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** Whole or not at all, and durable when this returns. */
export async function writeMark(dataDir: string, head: AuditHead): Promise<void> {
  const path = markPath(dataDir);
  const fresh = `${path}.${randomUUID()}`;
  try {
    await using file = await open(fresh, "wx", 0o600);
    await file.writeFile(`${JSON.stringify(head)}\n`);
    await file.sync();
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

export async function addToHistory(dataDir: string, head: AuditHead): Promise<void> {
  const path = historyPath(dataDir);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  {
    await using file = await open(path, "a+", 0o600);
    const { size } = await file.stat();
    const last = size === 0 ? "\n" : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString();
    // A crash may have cut the last line; this one is not to be lost with it.
    await file.writeFile(`${last === "\n" ? "" : "\n"}${JSON.stringify(head)}\n`);
    await file.sync();
  }
  await syncFolder(dirname(path));
}

/** A new name in a folder is durable only with the folder; Windows has no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using folder = await open(path, "r");
  await folder.sync();
}
