/** A machine as its hypervisor's own file describes it, and its disks as they lie in a package or folder. */
import type { HolderKind } from "#lib/domain/container.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { openNamed } from "../../open-named.ts";
import type { ContainedDisk, ContainedImage, OpenContained, OpenedContainer } from "../container.ts";
import { mayBeDisk } from "../archive/contents.ts";
import { flatFiles } from "../files/flat.ts";
import { asImage, folderOf, inFolders, type PackageFile, type PackageFiles, placedAt } from "../files/package-files.ts";

export const NO_HINTS: HardwareHints = { cpus: null, memory: null, firmware: null, bus: null, nic: null };

export interface DescribedDisk {
  /** As the description names it: a path of another system at times. */
  readonly path: string;
  /** For people: where it is attached. */
  readonly place: string;
}

export interface DescribedMachine {
  readonly name: string | null;
  readonly hints: HardwareHints;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly notes: readonly string[];
  /** In the machine's order. */
  readonly disks: readonly DescribedDisk[];
}

export interface Holder {
  readonly kind: HolderKind;
  readonly image: ImageFile;
  readonly files: PackageFiles;
  /** Of the description, in `files`. */
  readonly descriptor: string;
  readonly undecided?: readonly string[];
}

const MOST_DISKS = 256;

/** The result owns `image.bytes`. Throws `image.no-disks`, `image.sibling-missing`. */
export async function openDescribed(holder: Holder, machine: DescribedMachine): Promise<OpenedContainer> {
  const { kind, image, files, descriptor } = holder;
  if (machine.disks.length === 0) {
    const hint = "There is nothing to convert.";
    throw refused(image.name, 0, "image.no-disks", "describes a machine without disks", hint);
  }
  const flat = flatFiles(files, folderOf(descriptor));
  const notes = [...machine.notes];
  const disks: ContainedDisk[] = [];
  for (const { path, place } of machine.disks.slice(0, MOST_DISKS)) {
    const file = await flat.open(path);
    if (file === null) throw missing(image.name, path, files.apart);
    if (disks.some(({ entry }) => entry === file.name)) continue;
    if (/[/\\]/.test(path.replace(/^\.[/\\]/, "")) && lastOf(path) === file.name)
      notes.push(`The description names ${path.slice(0, 120)}: the file of that name that is here was taken.`);
    const label = place === "" ? file.name : `${file.name} (${place})`;
    disks.push(containedDisk(image.name, flat, file, label));
  }
  if (!files.apart) notes.push(...leftAside(files.names, disks));
  return {
    kind,
    machine: machine.name,
    undecided: holder.undecided ?? [],
    inFolder: inFolders(files),
    hints: machine.hints,
    disks,
    promised: [],
    files: filesOf(holder, disks),
    details: machine.details,
    notes,
    [Symbol.asyncDispose]: async () => {
      await files[Symbol.asyncDispose]?.();
      await image.bytes[Symbol.asyncDispose]();
    },
  };
}

function filesOf({ image, files, descriptor }: Holder, disks: readonly ContainedDisk[]): string[] {
  if (!inFolders(files)) return [image.name];
  const own = files.apart ? image.name : descriptor;
  const names = [...(own === "" ? [] : [own]), ...disks.map(({ entry }) => entry)];
  return [...new Set(names.map((name) => placedAt(files.root, name)))];
}

/** Files that may be disks and are, by their names, no parts of those that the machine has. */
function leftAside(names: readonly string[], disks: readonly ContainedDisk[]): string[] {
  const stem = (name: string): string =>
    lastOf(name)
      .replace(/\.[^.]*$/, "")
      .toLowerCase();
  const used = disks.map(({ entry }) => stem(entry));
  const others = names.filter(
    (name) => mayBeDisk(name) && !used.some((mine) => stem(name).startsWith(mine) || mine.startsWith(stem(name))),
  );
  return others
    .slice(0, MOST_TOLD)
    .map((name) => `${name.slice(0, 80)} belongs to no disk of the machine: left aside.`);
}

const MOST_TOLD = 16;

const lastOf = (path: string): string => path.replace(/^.*[/\\]/s, "");

function missing(name: string, path: string, apart: boolean) {
  return refused(
    name,
    0,
    "image.sibling-missing",
    `needs ${JSON.stringify(path.slice(0, 200))}, which is not there`,
    apart ? "Put all files of the machine into one folder." : "Bring all files of the machine together.",
  );
}

export function containedDisk(container: string, files: PackageFiles, file: PackageFile, label: string): ContainedDisk {
  return {
    entry: file.name,
    label,
    capacity: null,
    storedSize: file.bytes.size,
    async open(options) {
      const opened = await openFile(container, files, file, options);
      return files.root === undefined ? opened : withFiles(opened, (name) => placedAt(files.root, name));
    },
  };
}

/** The same image, its files called otherwise. */
export function withFiles(opened: ContainedImage, called: (name: string) => string): ContainedImage {
  const files = opened.facts.files.map(called);
  return {
    ...opened,
    facts: { ...opened.facts, files },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** The disk in one file of a package, whose other files are beside it. */
export async function openFile(
  container: string,
  files: PackageFiles,
  file: PackageFile,
  { signal, from }: OpenContained = {},
): Promise<ContainedImage> {
  const unheard = (_name: string, bytes: PackageFile["bytes"]) => bytes;
  const opened = await openNamed(asImage(files, container, file.name, file.bytes, unheard), {
    ...(from === undefined ? {} : { from }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (files.apart) return opened;
  // Images name one another without their folders.
  const paths = new Map<string, string>();
  for (const name of opened.facts.files)
    paths.set(name, name === file.name ? name : ((await files.open(name))?.name ?? name));
  return withFiles(opened, (name) => paths.get(name) ?? name);
}
