/** Opens mutants one after another in a thread of its own, which can be ended when one hangs it. */
import { parentPort, workerData } from "node:worker_threads";
import { mutants, outcome } from "../hostile.ts";
import type { Specimen } from "./corpus.ts";
import { mendTar, mendVhd, mendVhdx } from "../mend.ts";

export interface MutantOrder {
  readonly specimen: Omit<Specimen, "mend" | "bytes"> & { readonly bytes: Uint8Array };
  readonly seed: number;
  readonly count: number;
}

export type MutantNews =
  | { readonly kind: "begun" }
  | { readonly kind: "outcome"; readonly code: string }
  | { readonly kind: "broken"; readonly what: string; readonly mutant: Uint8Array }
  | { readonly kind: "end" };

const { specimen, seed, count } = workerData as MutantOrder;
const tell = (news: MutantNews): void => parentPort?.postMessage(news);
const sound = Buffer.from(specimen.bytes.buffer, specimen.bytes.byteOffset, specimen.bytes.length);
// Every other seed leaves checksums wrong: both ways in are tried.
const mend =
  seed % 2 === 0
    ? undefined
    : specimen.name.endsWith(".vhdx")
      ? mendVhdx
      : specimen.name.endsWith(".vhd")
        ? mendVhd
        : /\.(ova|xva)$/.test(specimen.name)
          ? mendTar
          : undefined;

for (const mutant of mutants(sound, specimen.ranges, seed, count, mend)) {
  tell({ kind: "begun" });
  try {
    tell({ kind: "outcome", code: await outcome(specimen.name, mutant, specimen) });
  } catch (error) {
    tell({ kind: "broken", what: error instanceof Error ? (error.stack ?? error.message) : String(error), mutant });
  }
}
tell({ kind: "end" });
