/** The manifest of a package, found by its name. */
import type { PromisedDigest } from "../container.ts";
import { type PackageFile, type PackageFiles, readText } from "../files/package-files.ts";
import { decodeText } from "../xml.ts";
import { promisesOf } from "./promises.ts";
import { readManifest } from "./read.ts";

export interface OpenedManifest {
  readonly name: string;
  /** Of its first line; null: it has none. */
  readonly algorithm: string | null;
  readonly promised: readonly PromisedDigest[];
  /** Names of the files that something is promised of. */
  readonly listed: ReadonlySet<string>;
  readonly notes: readonly string[];
}

const MOST_MANIFEST_BYTES = 1_048_576;

/** Null: there is none. Throws `image.*` for one that cannot be understood. */
export async function openManifest(
  container: string,
  files: PackageFiles,
  descriptor: string,
  signal?: AbortSignal,
): Promise<OpenedManifest | null> {
  const wanted = descriptor.replace(/\.[^./]*$/, ".mf").toLowerCase();
  const all = files.names.filter((name) => /\.mf$/i.test(name) && !name.includes("/"));
  // Of several in a folder, one may belong to another machine; a package has no other machine.
  const own = all.find((name) => name.toLowerCase() === wanted) ?? (files.apart ? undefined : all[0]);
  const file: PackageFile | null = await files.open(own ?? descriptor.replace(/\.[^./]*$/, ".mf"));
  if (file === null) return null;
  const text = decodeText(await readText(container, file, MOST_MANIFEST_BYTES, signal));
  const manifest = readManifest(container, file.at, text);
  const { promised, listed, notes } = await promisesOf(container, file.at, manifest, files);
  const unused = files.apart ? [] : all.filter((name) => name !== file.name);
  return {
    name: file.name,
    algorithm: manifest.lines[0]?.algorithm ?? manifest.lines[0]?.said ?? null,
    promised,
    listed,
    notes: [
      ...notes,
      ...unused.slice(0, 4).map((name) => `${name.slice(0, 80)} is a second manifest, and was not read.`),
    ],
  };
}
