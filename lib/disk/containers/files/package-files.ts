/** The files of a package, in a tar or in a folder: reached by name, and by nothing else. */
import { insane, refused } from "../../image-error.ts";
import type { ByteSource, ImageFile } from "../../io.ts";
import { sliceOf } from "../slice.ts";
import { type TarEntry, tarEntries } from "../tar/entries.ts";
import { withHoles } from "../tar/sparse.ts";
import { isClutter } from "./clutter.ts";

export interface PackageFile {
  readonly name: string;
  readonly bytes: ByteSource;
  /** File on the disk that holds it, and where. */
  readonly file: string;
  readonly at: number;
  /** False: its bytes do not lie there as they are. */
  readonly plain?: false;
}

export interface PackageFiles {
  /** Null when the package has no file of that name. Throws `image.path-escapes` where that is not plain. */
  open(name: string): Promise<PackageFile | null>;
  /** Names of all files, where they can be listed. */
  readonly names: readonly string[];
  /** Each file lies in a folder by itself; else all lie in one. */
  readonly apart: boolean;
  /** Present: a folder of this machine and those below it; the path there from where the named file lies. */
  readonly root?: string;
  /** As of the image that was opened: see ImageFile. */
  readonly acceptDirty?: boolean;
  /** Present when files are kept open or unpacked meanwhile. */
  [Symbol.asyncDispose]?: () => Promise<void>;
}

/** Where a file of the package lies, as files are told of: by its path, or by its name in a package. */
export const placedAt = (root: string | undefined, name: string): string =>
  root === undefined || root === "" ? name : `${root}/${name}`;

/** The files lie in folders, not in one file. */
export const inFolders = ({ apart, root }: PackageFiles): boolean => apart || root !== undefined;

export const dirtyOf = ({ acceptDirty }: { readonly acceptDirty?: boolean }): { readonly acceptDirty?: boolean } =>
  acceptDirty === undefined ? {} : { acceptDirty };

/** Real packages have a handful. */
const MOST_ENTRIES = 10_000;

/** Throws `image.duplicate-entry` and what `tarEntries` throws. */
export async function filesOfTar(image: ImageFile, signal?: AbortSignal): Promise<PackageFiles> {
  const entries = new Map<string, TarEntry>();
  for await (const entry of tarEntries(image, MOST_ENTRIES, signal)) {
    if (isClutter(entry.name)) continue;
    if (entries.has(entry.name)) {
      throw refused(
        image.name,
        entry.headerAt,
        "image.duplicate-entry",
        `holds two files named ${JSON.stringify(entry.name.slice(0, 100))}`,
        "Pack the machine again.",
      );
    }
    entries.set(entry.name, entry);
  }
  return {
    apart: false,
    ...dirtyOf(image),
    names: [...entries.keys()],
    async open(name) {
      const entry = entries.get(name);
      if (entry === undefined) return null;
      const stored = sliceOf(image.bytes, entry.at, entry.size);
      const place = { name, file: image.name, at: entry.at };
      if (entry.sparse === undefined) return { ...place, bytes: stored };
      return { ...place, bytes: withHoles(stored, entry.sparse, image.name, entry.headerAt), plain: false };
    },
  };
}

/** Those in one folder of the package, by their names there. */
export function filesBelow(files: PackageFiles, folder: string): PackageFiles {
  if (folder === "") return files;
  const prefix = `${folder}/`;
  return {
    apart: files.apart,
    ...dirtyOf(files),
    ...(files.root === undefined ? {} : { root: placedAt(files.root, folder) }),
    ...(files[Symbol.asyncDispose] === undefined ? {} : { [Symbol.asyncDispose]: files[Symbol.asyncDispose] }),
    names: files.names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
    async open(name) {
      const found = await files.open(prefix + name);
      return found === null ? null : { ...found, name };
    },
  };
}

/** The folder of a file in a package; empty for the package itself. */
export const folderOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("/")));

/** The file itself and what lies beside it. */
export async function filesBeside(image: ImageFile): Promise<PackageFiles> {
  const opened = new Map<string, PackageFile>([
    [image.name, { name: image.name, bytes: image.bytes, file: image.name, at: 0 }],
  ]);
  const beside = (await image.siblings?.()) ?? [];
  return {
    apart: true,
    ...dirtyOf(image),
    names: [...new Set([image.name, ...beside.filter((name) => !isClutter(name))])],
    async open(name) {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const sibling = await image.sibling(name).catch((error: unknown) => {
        if (isMissing(error)) return null;
        throw error;
      });
      if (sibling === null) return null;
      const found = { name, bytes: sibling.bytes, file: name, at: 0 };
      opened.set(name, found);
      return found;
    },
  };
}

const isMissing = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "image.sibling-missing";

/** Whoever opens a disk closes its file: this one belongs to the package, which may open it again. */
function lent(bytes: ByteSource): ByteSource {
  const { size, path } = bytes;
  return {
    size,
    read: bytes.read.bind(bytes),
    ...(bytes.allocated === undefined ? {} : { allocated: bytes.allocated.bind(bytes) }),
    ...(path === undefined ? {} : { path }),
    ...(bytes.hold === undefined ? {} : { hold: bytes.hold.bind(bytes) }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A file of the package as an image, whose siblings are the package's other files; all are read through `heard`. */
export function asImage(
  files: PackageFiles,
  container: string,
  name: string,
  bytes: ByteSource,
  heard: (name: string, bytes: ByteSource) => ByteSource,
): ImageFile {
  return {
    name,
    bytes: lent(bytes),
    ...dirtyOf(files),
    siblings: async () => files.names,
    async sibling(asked) {
      const found = await files.open(asked.startsWith("./") ? asked.slice(2) : asked);
      if (found === null) {
        throw refused(
          container,
          0,
          "image.sibling-missing",
          `lacks ${JSON.stringify(asked.slice(0, 200))}, which ${name} needs`,
          "Bring all files of the image together.",
        );
      }
      return asImage(files, container, found.name, heard(found.name, found.bytes), heard);
    },
  };
}

/** Throws `image.header-insane` for a text that is larger than any real one. */
export async function readText(
  container: string,
  file: PackageFile,
  most: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  if (file.bytes.size > most) {
    throw insane(
      container,
      file.at,
      `${file.name.slice(0, 100)} has ${file.bytes.size} bytes, which no text there has`,
    );
  }
  const bytes = Buffer.alloc(file.bytes.size);
  await file.bytes.read(0, bytes, signal);
  return bytes;
}
