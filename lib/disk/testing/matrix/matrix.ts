/** Rows made into images, and those converted into the columns, each result held against its independent reader. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openInspection } from "../../file-conversion.ts";
import type { ImageFacts } from "../../format.ts";
import type { Scratch } from "../scratch.ts";
import { contentDigest } from "./content.ts";
import { convertCell, type Way, waysOf } from "./conversion.ts";
import { MatrixDisk } from "./disk.ts";
import { judge } from "./judge.ts";
import type { ReadableRow, WritableRow } from "./row.ts";

export interface MatrixSource {
  readonly row: ReadableRow;
  readonly path: string;
  readonly facts: ImageFacts;
}

/** As many as there are processors where the tests run. */
const AT_ONCE = 2;

export class Matrix implements Disposable {
  readonly disk = new MatrixDisk();
  readonly sources: MatrixSource[] = [];
  readonly #folders: Scratch[] = [];
  /** By the size of the disk: some formats round it up. */
  readonly #fingerprints = new Map<number, string>();
  #cells = 0;

  async make(rows: readonly ReadableRow[]): Promise<void> {
    for (const row of rows) {
      const folder = this.disk.workshop();
      this.#folders.push(folder);
      const path = folder.path(await row.make(folder, this.disk.bytes));
      await using opened = await openInspection(path, { acceptDirty: row.acceptDirty ?? false });
      this.sources.push({ row, path, facts: opened.facts });
    }
  }

  /** All sources into this column. What was wrong with which, in words. */
  async write(row: WritableRow): Promise<string[]> {
    const faults: string[] = [];
    const judged = new Set<string>();
    const running = new Set<Promise<void>>();
    using work = this.disk.workshop();
    for (const source of this.sources) {
      for (const way of waysOf(source.row, row)) {
        while (running.size >= AT_ONCE) await Promise.race(running);
        const task = this.#cell(row, source, way, work.path(String(this.#cells++)), judged)
          .catch((error: unknown) => void faults.push(`${source.row.name} (${way}): ${String(error)}`))
          .finally(() => running.delete(task));
        running.add(task);
      }
    }
    await Promise.all(running);
    return faults;
  }

  /** Files of the same bytes are judged once. */
  async #cell(row: WritableRow, source: MatrixSource, way: Way, folder: string, judged: Set<string>): Promise<void> {
    const name = `out.${row.to}`;
    const { virtualSize } = source.facts;
    mkdirSync(folder);
    const print = await convertCell(source.row, source.path, row, join(folder, name), way);
    const expected = this.#fingerprints.get(virtualSize) ?? print;
    if (expected === null) throw new Error("it has no fingerprint");
    this.#fingerprints.set(virtualSize, expected);
    if (print !== expected) throw new Error(`the fingerprint is ${print}, that of the others ${expected}`);
    const files = [name, ...(row.pair === true ? ["out-flat.vmdk"] : [])];
    const digest = (await Promise.all(files.map((file) => contentDigest(join(folder, file))))).join();
    if (!judged.has(digest)) {
      judged.add(digest);
      const unit = row.unit ?? 1;
      const size = Math.ceil(virtualSize / unit) * unit;
      await judge(row, { folder, name, truth: this.disk.path, size });
    }
    rmSync(folder, { recursive: true });
  }

  [Symbol.dispose](): void {
    for (const folder of this.#folders) folder[Symbol.dispose]();
    this.disk[Symbol.dispose]();
  }
}
