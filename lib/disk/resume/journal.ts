/** Beside an unfinished file: how far it is whole, so that another process can go on. One JSON line a checkpoint. */
import { createHash } from "node:crypto";
import { type FileHandle, open, readFile, unlink } from "node:fs/promises";
import { z } from "zod";
import { fileError, isCode } from "../files/file-error.ts";

const Checkpoint = z.object({
  /** The file is whole before this byte. */
  at: z.number().int().nonnegative(),
  /** The checkpoint before, and SHA-256 (hex) of the bytes between the two. */
  from: z.number().int().nonnegative(),
  sha256: z.string(),
  /** Of the disk so far. */
  fingerprint: z.object({
    leaves: z.number().int().nonnegative(),
    waiting: z.array(z.string().nullable()).max(64).readonly(),
  }),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

const Line = z.object({ check: z.string(), value: z.unknown() });
/** A checkpoint is about 1 KB for 64 MiB of file: this is enough for 60 TiB. */
const MOST_BYTES = 1024 ** 3;

const checkOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
const lineOf = (value: unknown): string => `${JSON.stringify({ check: checkOf(value), value })}\n`;

export class Journal implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Begins a journal of this work: what another one left is gone, but for the checkpoints to keep. */
  static async begin(path: string, work: string, kept: readonly Checkpoint[]): Promise<Journal> {
    try {
      const file = await open(path, "w", 0o640);
      await file.writeFile(lineOf({ work }) + kept.map(lineOf).join(""));
      await file.datasync();
      return new Journal(path, file);
    } catch (error) {
      throw fileError(error, `Writing ${path}`, "all");
    }
  }

  /** On the medium when it returns: the bytes that it speaks of must be there before. */
  async add(checkpoint: Checkpoint): Promise<void> {
    try {
      await this.#file.appendFile(lineOf(checkpoint));
      await this.#file.datasync();
    } catch (error) {
      throw fileError(error, `Writing ${this.#path}`, "all");
    }
  }

  async remove(): Promise<void> {
    await unlink(this.#path).catch((error: unknown) => {
      if (!isCode(error, "ENOENT")) throw fileError(error, `Removing ${this.#path}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** Checkpoints of the same work, first to last; none for another work. A torn line ends them. */
export async function readJournal(path: string, work: string): Promise<Checkpoint[]> {
  let text: string;
  try {
    text = await readFile(path, { encoding: "utf8" });
  } catch (error) {
    if (isCode(error, "ENOENT")) return [];
    throw fileError(error, `Reading ${path}`);
  }
  const found: Checkpoint[] = [];
  const values = linesOf(text.slice(0, MOST_BYTES));
  const first = z.object({ work: z.string() }).safeParse(values.next().value);
  if (!first.success || first.data.work !== work) return [];
  for (const value of values) {
    const checkpoint = Checkpoint.safeParse(value);
    if (!checkpoint.success || checkpoint.data.from !== (found.at(-1)?.at ?? 0)) break;
    found.push(checkpoint.data);
  }
  return found;
}

function* linesOf(text: string): Generator<unknown, void> {
  for (const line of text.split("\n")) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return;
    }
    const parsed = Line.safeParse(value);
    if (!parsed.success || parsed.data.check !== checkOf(parsed.data.value)) return;
    yield parsed.data.value;
  }
}
