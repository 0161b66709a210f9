/** Exports of Hyper-V: the older XML files are read; of the binary `.vmcx` only which disks lie with it. */
import { descendants, type XmlElement } from "../xml.ts";
import { AppError } from "#lib/errors.ts";
import { type PackageFiles } from "../files/package-files.ts";
import { flatFiles } from "../files/flat.ts";
import { type DescribedDisk, type DescribedMachine, NO_HINTS, openFile } from "./described.ts";

const MOST_MEMORY_MIB = 64 * 2 ** 20;
const DISK_NAME = /\.a?vhdx?$/i;
/** Opened to learn which is the parent of which. */
const MOST_DISKS = 256;
const MOST_BRANCHES = 16;

const textOf = (element: XmlElement | undefined, ...path: readonly string[]): string => {
  let at = element;
  for (const name of path) at = at?.children.find((child) => child.name === name);
  return at?.text ?? "";
};

/** Null: the document is no machine of Hyper-V. */
export function readHyperVXml(root: XmlElement): DescribedMachine | null {
  const properties = root.children.find(({ name }) => name === "properties");
  if (root.name !== "configuration" || properties === undefined) return null;
  const settings = root.children.find(({ name }) => name === "settings");
  const cpus = Number(textOf(settings, "processors", "count"));
  const memory = Number(textOf(settings, "memory", "bank", "size"));
  const macs = [...descendants(root, "MacAddress")].map(({ text }) => text).filter((mac) => mac !== "");
  return {
    name: textOf(properties, "name") || null,
    hints: {
      ...NO_HINTS,
      cpus: Number.isInteger(cpus) && cpus > 0 && cpus <= 4096 ? cpus : null,
      memory: Number.isInteger(memory) && memory > 0 && memory <= MOST_MEMORY_MIB ? memory * 2 ** 20 : null,
      // Generation 2.
      firmware: textOf(properties, "subtype") === "1" ? "uefi" : "bios",
    },
    details: {
      generation: textOf(properties, "subtype") === "1" ? 2 : 1,
      nics: macs.length,
      ...(macs.length === 0 ? {} : { macs: macs.slice(0, 16).join(", ").slice(0, 400) }),
    },
    notes: [],
    disks: drivesOf(root),
  };
}

/** In the order of controllers and places; IDE stands before SCSI in generation 1, which boots from nothing else. */
function drivesOf(root: XmlElement): DescribedDisk[] {
  const found: { disk: DescribedDisk; key: number }[] = [];
  for (const [d, device] of root.children.entries()) {
    // The identifier of the IDE controller, which is the same in all machines.
    const ide = device.name.toLowerCase().includes("83f8638b");
    for (const controller of device.children.filter(({ name }) => /^controller\d{1,2}$/.test(name))) {
      for (const drive of controller.children.filter(({ name }) => /^drive\d{1,3}$/.test(name))) {
        const path = textOf(drive, "pathname");
        if (!DISK_NAME.test(path)) continue;
        const [c, place] = [Number(controller.name.slice(10)), Number(drive.name.slice(5))];
        const label = `${ide ? "IDE" : "SCSI"} ${c}:${place}`;
        found.push({ disk: { path, place: label }, key: (((ide ? 0 : 1) * 1000 + d) * 100 + c) * 1000 + place });
      }
    }
  }
  return found.sort((a, b) => a.key - b.key).map(({ disk }) => disk);
}

/** The disks that no other one is a difference of, by name. Nothing is known of the machine. */
export async function machineOfDisks(
  container: string,
  files: PackageFiles,
  name: string | null,
  signal?: AbortSignal,
): Promise<DescribedMachine> {
  const flat = flatFiles(files, "");
  const parents = new Set<string>();
  const roots = new Map<string, string>();
  const names = files.names.filter((each) => DISK_NAME.test(each)).slice(0, MOST_DISKS);
  for (const each of names.filter((other) => /\.avhdx?$/i.test(other))) {
    const file = await flat.open(each);
    if (file === null) continue;
    try {
      await using opened = await openFile(container, flat, file, signal === undefined ? {} : { signal });
      for (const parent of opened.facts.parents ?? []) parents.add(parent.replace(/^.*\//s, "").toLowerCase());
      const root = opened.facts.parents?.at(-1);
      if (root !== undefined) roots.set(each, root);
    } catch (error) {
      // A chain that is broken shows when its disk is opened.
      if (!(error instanceof AppError)) throw error;
    }
  }
  const leaves = names.filter((each) => !parents.has(each.replace(/^.*\//s, "").toLowerCase()));
  return {
    name,
    hints: NO_HINTS,
    details: {},
    notes: [
      "The settings of the machine (.vmcx) are not read: processors, memory, firmware, and the order of the disks are unknown.",
      ...branches(leaves, roots),
    ],
    disks: leaves.map((path) => ({ path, place: "" })),
  };
}

/** A checkpoint that was gone back to leaves two states of one disk, and only the settings tell which is the machine's. */
function branches(leaves: readonly string[], roots: ReadonlyMap<string, string>): string[] {
  const byRoot = Map.groupBy(leaves, (leaf) => roots.get(leaf) ?? leaf);
  return [...byRoot]
    .filter(([, states]) => states.length > 1)
    .slice(0, MOST_BRANCHES)
    .map(
      ([root, states]) =>
        `${states.slice(0, MOST_BRANCHES).join(", ").slice(0, 400)} are states of one disk, ${root.slice(0, 100)}, at different checkpoints: take one of them, by its name.`,
    );
}
