/** What a person names as an image: a file, the folder of a machine, or the file in such a folder that describes it. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSource, ImageFile, MachineTree } from "../io.ts";
import { mainFileOf } from "./bundle.ts";
import { type FolderTreeOptions, openFolderTree } from "./folder-tree.ts";
import { openImageFile, type OpenImageFileOptions } from "./image-file.ts";
import type { FileGuard } from "./open-located.ts";

export interface OpenGivenOptions extends Omit<OpenImageFileOptions, "name"> {
  /** Asked of each folder that is listed. With a guard for files and none for folders, folders are not opened. */
  readonly folderGuard?: FileGuard;
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Disposing it closes it and every file that was opened through it. Throws what `openImageFile` and `openFolderTree` throw. */
export async function openGiven(path: string, options: OpenGivenOptions = {}): Promise<ImageFile & AsyncDisposable> {
  const full = await mainFileOf(resolve(path));
  if (options.guard !== undefined && options.folderGuard === undefined) return openImageFile(full, options);
  if (await isFolder(full)) return openFolder(full, options);
  const image = await openImageFile(full, options);
  try {
    const tree = await treeAround(full, options);
    if (tree === null) return image;
    return {
      ...image,
      tree,
      async [Symbol.asyncDispose]() {
        await tree.files[Symbol.asyncDispose]();
        await image[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}

async function openFolder(path: string, options: OpenGivenOptions): Promise<ImageFile & AsyncDisposable> {
  const files = await openFolderTree(path, options);
  const name = basename(files.path) || files.path;
  return {
    name,
    bytes: NO_BYTES,
    acceptDirty: options.acceptDirty ?? false,
    tree: { files, root: name, descriptor: null },
    sibling: () =>
      Promise.reject(new AppError("unprocessable", "image.path-escapes", `${name} is a folder: nothing is beside it.`)),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

const NO_BYTES: ByteSource = {
  size: 0,
  read: async (offset, into) => {
    if (offset !== 0 || into.length > 0)
      throw new AppError("internal", "io.short-read", "A folder has no bytes to read.");
  },
  [Symbol.asyncDispose]: async () => undefined,
};

/** Of a description that does not lie beside its disks: the folders in which its hypervisor puts them. */
async function treeAround(path: string, options: OpenGivenOptions): Promise<MachineTree | null> {
  if (!/\.(?:vmcx|xml|vbox)$/i.test(path)) return null;
  const real = await realpath(path).catch(() => path);
  const layout = await layoutAround(real);
  if (layout === null) return null;
  const { folder, root, descriptor, within } = layout;
  try {
    const files = await openFolderTree(folder, { ...options, within });
    if (files.names.includes(descriptor)) return { files, root, descriptor };
    await files[Symbol.asyncDispose]();
  } catch (error) {
    // A folder that may not be read, or is no machine's own: the file stays what it is by itself.
    if (!(error instanceof AppError)) throw error;
  }
  return null;
}

interface Layout {
  readonly folder: string;
  readonly root: string;
  readonly descriptor: string;
  readonly within: NonNullable<FolderTreeOptions["within"]>;
}

async function layoutAround(real: string): Promise<Layout | null> {
  const own = dirname(real);
  if (/\.vbox$/i.test(real)) {
    if (!(await isFolder(join(own, "Snapshots")))) return null;
    return { folder: own, root: "", descriptor: basename(real), within: (name) => /^snapshots$/i.test(name) };
  }
  const folder = dirname(own);
  const settings = basename(own);
  if (!/^virtual machines$/i.test(settings) || !(await isFolder(join(folder, "Virtual Hard Disks")))) return null;
  return {
    folder,
    root: "..",
    descriptor: `${settings}/${basename(real)}`,
    within: (name) => /^(?:virtual machines|virtual hard disks|snapshots)$/i.test(name),
  };
}
