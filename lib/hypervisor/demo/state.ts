/** The simulated host's memory: one JSON file, changed under a lock, since threads and processes share it. */
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";

const DemoState = z.object({
  version: z.literal(1),
  /** Raised by every change: who watches compares it. */
  revision: z.number().int(),
  vms: z.array(Vm),
});
export type DemoState = z.infer<typeof DemoState>;

const LOCK_STALE_MS = 10_000;
const LOCK_WAIT_MS = 15_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class DemoStore {
  readonly folder: string;
  readonly #file: string;
  readonly #lock: string;

  constructor(folder: string) {
    this.folder = folder;
    this.#file = join(folder, "state.json");
    this.#lock = join(folder, "state.lock");
  }

  /** Null before the host was first opened. */
  async read(): Promise<DemoState | null> {
    const text = await readFile(this.#file, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
      throw error;
    });
    return text === null ? null : DemoState.parse(JSON.parse(text));
  }

  /** Reads, changes and writes as one step. What `change` returns is returned. */
  async change<T>(change: (state: DemoState) => T | Promise<T>): Promise<T> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const release = await this.#acquire();
    try {
      const state = (await this.read()) ?? { version: 1 as const, revision: 0, vms: [] };
      const result = await change(state);
      state.revision += 1;
      const temporary = `${this.#file}.${randomUUID()}`;
      await writeFile(temporary, JSON.stringify(state), { mode: 0o600 });
      await rename(temporary, this.#file);
      return result;
    } finally {
      await release();
    }
  }

  async #acquire(): Promise<() => Promise<void>> {
    const until = Date.now() + LOCK_WAIT_MS;
    for (;;) {
      try {
        await (await open(this.#lock, "wx", 0o600)).close();
        return () => rm(this.#lock, { force: true });
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      // Whoever held it for so long has died: every holder is done within milliseconds.
      const age = await stat(this.#lock).then(
        (info) => Date.now() - info.mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) await rm(this.#lock, { force: true });
      if (Date.now() > until) {
        throw new AppError("unavailable", "host.timeout", "The simulated host's state file stayed locked.", {
          hint: `Remove ${this.#lock} if no Supravisor runs.`,
        });
      }
      await pause(15);
    }
  }
}
