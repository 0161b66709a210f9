/** A file and one beside it that get their names together: nobody finds the one without the other. */
import { rename, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { replaceMethod } from "../filters/replace-method.ts";
import type { ByteSink } from "../io.ts";
import { fileError, isCode } from "./file-error.ts";
import { createFileSink, type FileSinkOptions } from "./file-sink.ts";
import { tempPath } from "./temp-name.ts";

export interface FilePairSinks extends AsyncDisposable {
  readonly fileName: string;
  /** Its commit is that of both. */
  readonly main: ByteSink;
  /** At most once. Its commit says how long it is; the name comes with the main file's. */
  beside(name: string): Promise<ByteSink>;
}

/** Throws as createFileSink does. Without `beside` it is that one file. */
export async function createFilePair(finalPath: string, options: FileSinkOptions = {}): Promise<FilePairSinks> {
  const path = resolve(finalPath);
  const sink = await createFileSink(path, options);
  let besideIt: { sink: ByteSink; path: string; length: number | null } | null = null;

  const commit = async (length: number, signal?: AbortSignal): Promise<void> => {
    if (besideIt === null) return sink.commit(length, signal);
    const data = besideIt;
    if (data.length === null) throw new RangeError("the file beside was not finished");
    // What is replaced goes first: an old main file would else stand beside new data, and describe them wrongly.
    const old = options.overwrite === true ? await setAside(path) : null;
    try {
      await data.sink.commit(data.length, signal);
    } catch (error) {
      if (old !== null) await rename(old, path);
      throw error;
    }
    try {
      await sink.commit(length, signal);
    } catch (error) {
      await unlink(data.path).catch(() => undefined);
      throw error;
    } finally {
      if (old !== null) await unlink(old).catch(() => undefined);
    }
  };

  return {
    fileName: basename(path),
    main: replaceMethod(sink, "commit", commit),
    async beside(name) {
      const full = join(dirname(path), name);
      const made = await createFileSink(full, options);
      const held = { sink: made, path: full, length: null as number | null };
      besideIt = held;
      const later = replaceMethod(made, "commit", async (length: number) => {
        held.length = length;
      });
      // It lives until the pair is disposed: the main file's commit comes after its own.
      return replaceMethod(later, Symbol.asyncDispose, async () => undefined);
    },
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await besideIt?.sink[Symbol.asyncDispose]();
    },
  };
}

/** null: there was none. */
async function setAside(path: string): Promise<string | null> {
  const aside = tempPath(path, "old");
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw fileError(error, `Replacing ${path}`);
  }
}
