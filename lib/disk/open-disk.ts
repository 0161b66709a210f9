/** Opens the disk that somebody means: an image by content, or one of those in a package of a machine. */
import { HOLDER_LABEL } from "#lib/domain/container.ts";
import { AppError } from "#lib/errors.ts";
import type { ContainedDisk, ContainedImage, MachineChoice, OpenedContainer } from "./containers/container.ts";
import { openContainer } from "./containers/open.ts";
import { requireMachine } from "./containers/ova/choice.ts";
import type { SpoolPlace } from "./files/spool.ts";
import type { ImageFile } from "./io.ts";
import { detectFormat, openImage, type OpenImageOptions } from "./registry.ts";

export interface OpenDiskOptions extends OpenImageOptions, MachineChoice {
  /** Of a package: the disk's place, counted from 1, or its entry's name. Needed when it has several. */
  readonly disk?: number | string;
  /** Of a package: make `verify` possible. */
  readonly check?: boolean;
  /** Of a package: where a file that is stored packed is kept meanwhile. */
  readonly spool?: SpoolPlace;
}

/**
 * The result owns `image.bytes` and every file it opened.
 * Throws `image.disk-unsaid` for a package of several disks, `image.no-such-disk`, and what `openImage` throws.
 */
export async function openDisk(image: ImageFile, options: OpenDiskOptions = {}): Promise<ContainedImage> {
  const { disk: wanted, from, signal, check, spool } = options;
  const stop = signal === undefined ? {} : { signal };
  // Whoever says a format and no disk of a package means the file itself.
  if (from !== undefined && wanted === undefined && !isFolder(image)) return openImage(image, { from, ...stop });
  // An entry's name is one of a kind in the whole package.
  const named = typeof wanted === "string" && !/^\d+$/.test(wanted) && (options.machine ?? null) === null;
  const container = await openContainer(image, signal, { ...options, everything: named });
  if (container === null) {
    if (wanted === undefined) return openImage(image, stop);
    throw new AppError(
      "unprocessable",
      "image.no-such-disk",
      `${image.name} is no package of a machine: it has no disk ${wanted}.`,
      { hint: "Leave the number of the disk out.", details: { file: image.name } },
    );
  }
  await refuseAmbiguous(image, container, signal);
  const disk = chooseDisk(image.name, container, wanted);
  const opened = await disk.open({
    ...stop,
    check: check ?? false,
    ...(from === undefined ? {} : { from }),
    ...(spool === undefined ? {} : { spool }),
  });
  return {
    facts: {
      ...opened.facts,
      files: [...new Set([...container.files, ...(container.inFolder ? opened.facts.files : [])])],
      details: {
        ...opened.facts.details,
        container: HOLDER_LABEL[container.kind],
        entry: disk.entry,
        disk: `${container.disks.indexOf(disk) + 1} of ${container.disks.length}`,
      },
      notes: [...container.notes, ...opened.facts.notes],
    },
    disk: opened.disk,
    ...(opened.verify === undefined ? {} : { verify: opened.verify }),
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]();
      await container[Symbol.asyncDispose]();
    },
  };
}

/** Without bytes of its own. */
export const isFolder = ({ tree }: ImageFile): boolean => tree?.descriptor === null;

/** A guest can write a tar's header to its first sector: a footer of a disk at the end of the file then speaks too. */
async function refuseAmbiguous(image: ImageFile, container: OpenedContainer, signal?: AbortSignal): Promise<void> {
  const format = container.inFolder ? null : await detectFormat(image, signal);
  if (format === null) return;
  throw new AppError(
    "unprocessable",
    "image.ambiguous-format",
    `${image.name} could be ${HOLDER_LABEL[container.kind]} or ${format}.`,
    { hint: "Say which format it is.", details: { file: image.name, formats: [container.kind, format] } },
  );
}

/** Throws `image.disk-unsaid`, `image.no-such-disk`. */
export function chooseDisk(name: string, container: OpenedContainer, wanted?: number | string): ContainedDisk {
  const { disks } = container;
  const list = disks.map((disk, i) => `${i + 1}: ${disk.label}`).join(", ");
  const details = { file: name, disks: disks.map(({ entry }) => entry) };
  if (wanted === undefined) {
    requireMachine(name, container.undecided);
    const [only] = disks;
    if (only !== undefined && disks.length === 1) return only;
    throw new AppError("unprocessable", "image.disk-unsaid", `${name} holds ${disks.length} disks.`, {
      hint: `Say which one. ${list}`,
      details,
    });
  }
  const found = disks.find(({ entry }) => entry === wanted) ?? disks[Number(wanted) - 1];
  if (found !== undefined) return found;
  throw new AppError("unprocessable", "image.no-such-disk", `${name} has no disk ${wanted}.`, {
    hint: `It holds ${list}`,
    details,
  });
}
