/** Which files of a machine's folder come into the library: those that the machine is read from, and no others. */
import type { MachineChoice, OpenedContainer } from "#lib/disk/containers/container.ts";
import { openContainer } from "#lib/disk/containers/open.ts";
import type { ImageFile, MachineTree } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";

/**
 * Paths below the folder, the one that leads to the others first. `image.tree` is closed with what was opened of it.
 * Throws `image.machine-unsaid`, `image.disk-unsaid`, `image.*`.
 */
export async function machineFiles(
  image: ImageFile,
  tree: MachineTree,
  choice: MachineChoice,
  signal: AbortSignal,
): Promise<string[]> {
  await using container = await openContainer(image, signal, choice);
  if (container === null) throw new RangeError("a folder is a container");
  if (container.undecided.length > 0) throw severalMachines(image.name, container.undecided);
  // Without a description of theirs, several disks would be files that nothing holds together.
  const described = container.kind !== "folder" && container.kind !== "vagrant";
  if (!described && container.disks.length > 1) throw severalDisks(image.name, container);
  const told = new Set(described ? container.files : []);
  for (const disk of container.disks) {
    await using opened = await disk.open({ signal });
    for (const name of opened.facts.files) told.add(name);
  }
  const below = tree.root === "" ? 0 : tree.root.length + 1;
  const names = new Set(tree.files.names);
  return [...told].map((name) => name.slice(below)).filter((name) => names.has(name));
}

/** Nothing was copied: there is no version yet that could be read again as one of them. */
function severalMachines(name: string, machines: readonly string[]): AppError {
  const list = machines.map((machine, i) => `${i + 1}: ${machine}`).join(", ");
  return new AppError("unprocessable", "image.machine-unsaid", `${name} holds ${machines.length} machines.`, {
    hint: `Import the folder of one machine, or the file that describes it. ${list.slice(0, 2000)}`,
    details: { file: name },
  });
}

function severalDisks(name: string, { disks }: OpenedContainer): AppError {
  return new AppError("unprocessable", "image.disk-unsaid", `${name} holds ${disks.length} disks and no machine.`, {
    hint: "Import the file of each disk by itself, or the folder of one machine.",
    details: { file: name, disks: disks.map(({ entry }) => entry).slice(0, 256) },
  });
}

/** A format is a file's. */
export function formatOfFolder(path: string): AppError {
  return new AppError("invalid", "import.format-of-folder", `${path} is a folder, which has no disk format.`, {
    hint: "Leave the format out, or import the file that is in it.",
  });
}
