/** One file from a URL, resumed where it broke off, and looked at by nobody before its checksum is right. */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#lib/errors.ts";
import { requireSpace } from "../space.ts";
import { addressRule } from "./address-rule.ts";
import { GuardedAgent } from "./guarded-agent.ts";
import { hostOf, openUrl, type Opened } from "./open-url.ts";

export interface FetchInput {
  readonly url: string;
  /** Hex SHA-256 that the file must have. */
  readonly sha256: string;
  /** Absolute. */
  readonly folder: string;
  readonly fileName: string;
  /** Private networks that may be fetched from, as `10.0.0.0/8`. */
  readonly networks: readonly string[];
  /** Bytes that may be stored. */
  readonly free: number;
}

export interface Fetched {
  readonly size: number;
}

type OnProgress = (progress: { done: number; total: number; moved: number }) => void;

/** Tries in a row that bring no byte. */
const MOST_TRIES = 6;

/**
 * Throws `import.private-address`, `import.unknown-host`, `import.bad-url`, `import.refused`, `import.interrupted`,
 * `import.checksum-mismatch`, `library.full`. `pauseMs` and `agent` are for tests.
 */
export async function fetchFile(
  input: FetchInput,
  signal: AbortSignal,
  onProgress: OnProgress,
  pauseMs = 1000,
  agent = new GuardedAgent(addressRule(input.networks)),
): Promise<Fetched> {
  const draft = join(input.folder, `.${input.fileName}.part`);
  await using guard = agent;
  await using file = await open(draft, "wx", 0o640);
  const download = new Download(input, file, onProgress);
  for (let tries = 0; ; ) {
    const before = download.size;
    try {
      await download.run(guard, signal);
      break;
    } catch (error) {
      signal.throwIfAborted();
      const said = appErrorIn(error);
      if (said !== null && said.kind !== "unavailable") throw said;
      tries = download.size > before ? 1 : tries + 1;
      if (tries >= MOST_TRIES) throw interrupted(input.url, said ?? error);
      await wait(pauseMs * 2 ** (tries - 1), signal);
    }
  }
  const actual = download.digest();
  if (actual !== input.sha256.toLowerCase()) {
    throw new AppError(
      "unprocessable",
      "import.checksum-mismatch",
      `The file from ${hostOf(input.url)} is not the one that was asked for: its SHA-256 differs.`,
      {
        hint: "Check the sum and the address; the file may have been replaced by a newer one.",
        // The sum of what lies in a private network would tell whoever guesses at it that the guess is right.
        details: { expected: input.sha256.toLowerCase(), ...(guard.wasInside ? {} : { actual }) },
      },
    );
  }
  await file.sync();
  await rename(draft, join(input.folder, input.fileName));
  return { size: download.size };
}

class Download {
  size = 0;
  readonly #input: FetchInput;
  readonly #file: FileHandle;
  readonly #onProgress: OnProgress;
  #hash: Hash = createHash("sha256");
  #moved = 0;
  /** Names the state of the file on the server, so that two states are never glued together. */
  #tag: string | null = null;

  constructor(input: FetchInput, file: FileHandle, onProgress: OnProgress) {
    this.#input = input;
    this.#file = file;
    this.#onProgress = onProgress;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  async run(guard: GuardedAgent, signal: AbortSignal): Promise<void> {
    const opened = await openUrl(
      guard,
      this.#input.url,
      this.#tag === null ? null : { from: this.size, tag: this.#tag },
      signal,
    );
    try {
      if (opened.from !== this.size) await this.#startOver(opened);
      this.#tag = opened.tag;
      const total = opened.total;
      if (total !== null) requireSpace(this.#input.fileName, total - this.size, this.#input.free - this.size);
      for await (const chunk of opened.body) {
        await this.#take(chunk as Buffer, total);
      }
      if (total !== null && this.size < total) {
        throw new AppError("unavailable", "import.interrupted", "The connection broke off before the end of the file.");
      }
    } finally {
      opened.body.on("error", () => undefined).destroy();
    }
  }

  async #take(chunk: Buffer, total: number | null): Promise<void> {
    // A server that told no length, or a wrong one, does not fill the disk either.
    if (total === null) requireSpace(this.#input.fileName, this.size + chunk.length, this.#input.free);
    else if (this.size + chunk.length > total) {
      throw new AppError("unprocessable", "import.overlong", "The server sent more bytes than it had announced.");
    }
    this.#hash.update(chunk);
    for (let done = 0; done < chunk.length; ) {
      done += (await this.#file.write(chunk, done, chunk.length - done, this.size + done)).bytesWritten;
    }
    this.size += chunk.length;
    this.#moved += chunk.length;
    this.#onProgress({ done: this.size, total: Math.max(total ?? 0, this.size), moved: this.#moved });
  }

  async #startOver(opened: Opened): Promise<void> {
    if (opened.from !== 0)
      throw new AppError(
        "unavailable",
        "import.interrupted",
        "The server answered with another part of the file than was asked for.",
      );
    await this.#file.truncate(0);
    this.#hash = createHash("sha256");
    this.size = 0;
  }
}

/** undici wraps what its connector threw. */
function appErrorIn(error: unknown): AppError | null {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof AppError) return at;
  return null;
}

function interrupted(url: string, cause: unknown): AppError {
  const why = cause instanceof AppError ? ` ${cause.message}` : "";
  return new AppError("unavailable", "import.interrupted", `The file could not be fetched from ${hostOf(url)}.${why}`, {
    hint: "Check that the server can reach that address, and try again.",
    cause,
  });
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}
