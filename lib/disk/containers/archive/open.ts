/** Machines and disks in an archive or folder that no standard names: those of VMware, VirtualBox and Hyper-V, boxes of Vagrant. */
import { saysNoImage } from "../../content/refuse.ts";
import { AppError } from "#lib/errors.ts";
import { DEEPEST_FOLDER } from "../../files/folder-tree.ts";
import type { ImageFile, MachineTree } from "../../io.ts";
import type { ContainedDisk, OpenContainerOptions, OpenedContainer } from "../container.ts";
import { flatFiles } from "../files/flat.ts";
import { filesOfFolder } from "../files/folder-files.ts";
import { filesOfTar, folderOf, inFolders, type PackageFiles, readText } from "../files/package-files.ts";
import { filesOfZip } from "../files/zip-files.ts";
import { containedDisk, NO_HINTS, openDescribed, openFile } from "../machine/described.ts";
import { machineOfDisks } from "../machine/hyperv.ts";
import { describedIn } from "../machine/read.ts";
import { openOvaFiles } from "../ova/open.ts";
import { chooseMachine } from "../ova/choice.ts";
import { descriptionsIn, isBundle, mayBeDisk } from "./contents.ts";
import { readBox } from "./vagrant.ts";

const MOST_METADATA = 1_048_576;
const MOST_TRIED = 256;
const MOST_TOLD = 16;

export async function openTarArchive(
  image: ImageFile,
  options: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
  return openArchive(image, await filesOfTar(image, signal), options, signal);
}

export async function openZipArchive(
  image: ImageFile,
  options: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
  return openOrDispose(image, await filesOfZip(image, options.spool, signal), options, signal);
}

/** A machine's folder, or the description in it that was named. */
export async function openFolder(
  image: ImageFile,
  tree: MachineTree,
  options: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
  return openOrDispose(image, filesOfFolder(image, tree), options, signal, tree.descriptor);
}

async function openOrDispose(
  image: ImageFile,
  files: PackageFiles,
  options: OpenContainerOptions,
  signal: AbortSignal | undefined,
  named: string | null = null,
): Promise<OpenedContainer> {
  try {
    return await openArchive(image, files, options, signal, named);
  } catch (error) {
    await files[Symbol.asyncDispose]?.();
    throw error;
  }
}

/**
 * The result owns `image.bytes` and what `files` keeps. `named`: the description that was asked for. Throws
 * `image.archive`, `image.folder` when nothing in it is a disk.
 */
async function openArchive(
  image: ImageFile,
  files: PackageFiles,
  options: OpenContainerOptions,
  signal?: AbortSignal,
  named: string | null = null,
): Promise<OpenedContainer> {
  const found = descriptionsIn(files.names, named);
  if (found?.kind === "ovf")
    return openOvaFiles(files.root === undefined ? "archive" : "ovf", image, files, options, signal);
  if (found === null) return bareDisks(image, files, signal);
  if (found.kind === "vagrant") return openBox(image, files, found.names[0] ?? "", signal);
  const labels = found.names.map((name) => name.replace(/^.*\//s, "").replace(/\.[^.]*$/, ""));
  const mine = named === null ? chooseMachine(image.name, 0, labels, options) : found.names.indexOf(named);
  const descriptor = found.names[mine ?? 0] ?? "";
  const holder = { kind: found.kind, image, files, descriptor };
  if (mine !== null) {
    const several = found.kind === "hyperv" && labels.length > 1 && /\.vmcx$/i.test(descriptor);
    if (!several) return openDescribed(holder, await describedIn(found.kind, image.name, files, descriptor, signal));
    if ((options.machine ?? null) !== null) throw settingsUnread(image.name);
  }
  // Nobody said which: every disk can be named still.
  const all = await bareDisks(image, files, signal);
  return { ...all, kind: found.kind, undecided: labels };
}

async function openBox(
  image: ImageFile,
  files: PackageFiles,
  metadata: string,
  signal: AbortSignal | undefined,
): Promise<OpenedContainer> {
  const file = await files.open(metadata);
  const text = file === null ? "" : (await readText(image.name, file, MOST_METADATA, signal)).toString("utf8");
  const below = files.names.filter((name) => folderOf(name) === folderOf(metadata));
  const machine = readBox(text, below);
  if (machine === null) {
    // Boxes of other hypervisors hold no description but their disks.
    const hyperv = files.names.some((name) => /\.a?vhdx?$/i.test(name));
    if (!hyperv) return bareDisks(image, files, signal);
    const holder = { kind: "vagrant", image, files, descriptor: "" } as const;
    return openDescribed(holder, await machineOfDisks(image.name, files, null, signal));
  }
  return openDescribed({ kind: "vagrant", image, files, descriptor: metadata }, machine);
}

/** Files that open as disks; what they are made of and what is none of them is left aside. */
async function bareDisks(
  image: ImageFile,
  files: PackageFiles,
  signal: AbortSignal | undefined,
): Promise<OpenedContainer> {
  const likely = files.names.filter((name) => mayBeDisk(name) || isBundle(name));
  const tried = (likely.length > 0 ? likely : files.names).slice(0, MOST_TRIED);
  const found: { disk: ContainedDisk; uses: readonly string[] }[] = [];
  let first: unknown = null;
  const unread = new Map<string, string>();
  for (const name of tried) {
    const flat = flatFiles(files, folderOf(name));
    const file = await files.open(name);
    if (file === null) continue;
    try {
      await using opened = await openFile(image.name, flat, file, signal === undefined ? {} : { signal });
      found.push({
        disk: containedDisk(image.name, flat, file, name),
        uses: opened.facts.files,
      });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (saysNoImage(error)) continue;
      first ??= error;
      unread.set(name, error.message);
    }
  }
  const parts = new Set(
    found.flatMap(({ disk, uses }) => uses.filter((name) => name !== disk.entry && !disk.entry.endsWith(`/${name}`))),
  );
  const whole = found.filter(({ disk }) => !parts.has(disk.entry) && !parts.has(disk.entry.replace(/^.*\//s, "")));
  if (whole.length === 0) {
    if (first !== null) throw first;
    if (files.root !== undefined) throw noMachine(image.name);
    throw new AppError(
      "unprocessable",
      "image.archive",
      `${image.name} is an archive of files, none of which is a disk.`,
      {
        hint: "A package of a machine is an .ova with an .ovf descriptor in it, or an .xva. Unpack any other archive first.",
        details: { file: image.name, offset: 0 },
      },
    );
  }
  const used = new Set(whole.flatMap(({ disk, uses }) => [disk.entry, ...uses]));
  const others = files.names.filter((name) => !used.has(name) && !used.has(name.replace(/^.*\//s, "")));
  const told = others.slice(0, MOST_TOLD).map((name) => name.slice(0, 80));
  return {
    kind: files.root === undefined ? "archive" : "folder",
    machine: null,
    undecided: [],
    inFolder: inFolders(files),
    hints: NO_HINTS,
    disks: whole.map(({ disk }) => disk),
    promised: [],
    // In a folder each disk lists its own files: the folder may hold other disks too.
    files: inFolders(files) ? [] : [image.name],
    details: {},
    notes: [
      ...(others.length === 0
        ? []
        : [
            `Files in the ${files.root === undefined ? "archive" : "folder"} that were left aside: ${told.join(", ")}${others.length > MOST_TOLD ? " and others" : ""}.`,
          ]),
      // A disk that is missing from the result must not be missed in silence.
      ...[...unread]
        .filter(([name]) => others.includes(name))
        .slice(0, MOST_TOLD)
        .map(([name, why]) => `${name.slice(0, 80)} could not be read as a disk: ${why.slice(0, 500)}`),
    ],
    [Symbol.asyncDispose]: async () => {
      await files[Symbol.asyncDispose]?.();
      await image.bytes[Symbol.asyncDispose]();
    },
  };
}

/** Saying which machine is no help where nothing tells its disks. */
function settingsUnread(name: string): AppError {
  return new AppError(
    "unprocessable",
    "image.machine-unsaid",
    `${name} holds several machines, and which disk is whose stands in their settings (.vmcx), which are not read.`,
    { hint: "Leave the machine out and say which disk.", details: { file: name, offset: 0 } },
  );
}

function noMachine(name: string): AppError {
  return new AppError(
    "unprocessable",
    "image.folder",
    `${name} is a folder in which no machine and no disk was found.`,
    {
      hint: `Looked for, in it and down to ${DEEPEST_FOLDER} folders below it, links not followed: .ovf, .vmx, .vbox, .vmcx, the .xml of Hyper-V in “Virtual Machines”, metadata.json of a box, and files that are disks. A raw disk has to be named itself.`,
      details: { file: name },
    },
  );
}
