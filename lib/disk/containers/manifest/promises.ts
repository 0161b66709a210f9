/** Which file of a package each line of its manifest speaks of, and what of it is verified. */
import { corrupt } from "../../image-error.ts";
import type { PromisedDigest } from "../container.ts";
import type { PackageFile, PackageFiles } from "../files/package-files.ts";
import type { Manifest, ManifestLine } from "./read.ts";

export interface Promises {
  readonly promised: readonly PromisedDigest[];
  /** Names of the files that something is promised of. */
  readonly listed: ReadonlySet<string>;
  readonly notes: readonly string[];
}

/** Names told one by one. */
const MOST_NOTES = 16;

interface Claim {
  readonly line: ManifestLine;
  readonly file: PackageFile;
  /** The name is the file's own, at most written in another way; else only its last part is. */
  readonly sure: boolean;
}

/** Throws `image.corrupt` when the manifest contradicts itself. `at`: of the manifest in `container`. */
export async function promisesOf(
  container: string,
  at: number,
  manifest: Manifest,
  files: PackageFiles,
): Promise<Promises> {
  const notes = manifest.unread.map(
    (line) => `The manifest has a line that is not understood, and was not verified: ${JSON.stringify(line)}.`,
  );
  const finder = new NameFinder(files);
  const claims: Claim[] = [];
  for (const line of manifest.lines) {
    const found = await finder.find(line.entry);
    if (found !== null) claims.push({ line, ...found });
    else notes.push(`The manifest lists ${shown(line.entry)}, which is not there.`);
  }
  const promised: PromisedDigest[] = [];
  const byFile = Map.groupBy(claims, ({ file }) => file.name);
  for (const [name, all] of byFile) {
    const mine = all.some(({ sure }) => sure) ? all.filter(({ sure }) => sure) : all;
    if (mine.some(({ file }) => file.plain === false)) {
      notes.push(`${shown(name)} is not stored as it is: what the manifest says of it was not verified.`);
      continue;
    }
    const known = new Map<string, string>();
    for (const { line, file, sure } of mine) {
      if (line.algorithm === null) continue;
      const before = known.get(line.algorithm);
      if (before === line.digest) continue;
      if (before !== undefined) {
        if (sure) throw corrupt(container, at, `its manifest lists ${shown(name)} twice`);
        // Two folders had a file of that name when the list was made.
        notes.push(`The manifest lists several files named ${shown(name)}: it was not verified.`);
        for (let i = promised.length - 1; i >= 0; i--) if (promised[i]?.entry === name) promised.splice(i, 1);
        break;
      }
      known.set(line.algorithm, line.digest);
      promised.push({
        entry: name,
        file: file.file,
        at: file.at,
        length: file.bytes.size,
        algorithm: line.algorithm,
        digest: line.digest,
      });
    }
    if (known.size === 0) {
      const said = mine.map(({ line }) => line.said).join(", ");
      notes.push(`The manifest gives ${said} of ${shown(name)}, which is not computed here: it was not verified.`);
    }
  }
  return { promised, listed: new Set(byFile.keys()), notes: abridged(notes) };
}

const shown = (name: string): string => name.slice(0, 100);

function abridged(notes: readonly string[]): string[] {
  if (notes.length <= MOST_NOTES) return [...notes];
  return [...notes.slice(0, MOST_NOTES), `The manifest gives ${notes.length - MOST_NOTES} more reasons like these.`];
}

/** The same name as another system, tool or folder may have written it. */
class NameFinder {
  readonly #files: PackageFiles;
  readonly #byPlainName: ReadonlyMap<string, readonly string[]>;

  constructor(files: PackageFiles) {
    this.#files = files;
    this.#byPlainName = Map.groupBy(files.names, plain);
  }

  async find(entry: string): Promise<{ file: PackageFile; sure: boolean } | null> {
    if (!/[/\\]/.test(entry)) {
      const exact = await this.#files.open(entry);
      if (exact !== null) return { file: exact, sure: true };
    }
    for (const name of [entry, decoded(entry)]) {
      const found = await this.#only(plain(name));
      if (found !== null) return { file: found, sure: true };
    }
    const last = plain(entry).replace(/^.*[/\\]/s, "");
    const found = last === "" ? null : await this.#only(last);
    return found === null ? null : { file: found, sure: false };
  }

  async #only(plainName: string): Promise<PackageFile | null> {
    const [only, ...more] = this.#byPlainName.get(plainName) ?? [];
    return only === undefined || more.length > 0 ? null : this.#files.open(only);
  }
}

/** Without quotes and `./`, in one spelling of letters and accents. */
function plain(name: string): string {
  const bare = name.trim().replace(/^(["'])(.*)\1$/s, "$2");
  return bare
    .replace(/^(?:\.[/\\]+)+/, "")
    .replaceAll("\\", "/")
    .normalize("NFC")
    .toLowerCase();
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
