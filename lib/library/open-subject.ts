/** What a file of a version opens as: one disk, or a package with all disks of a machine. */
import { join } from "node:path";
import type { MachineChoice, OpenedContainer } from "#lib/disk/containers/container.ts";
import { openContainer } from "#lib/disk/containers/open.ts";
import { requireMachine } from "#lib/disk/containers/ova/choice.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import type { ImageFacts, OpenedImage } from "#lib/disk/format.ts";
import type { ImageFile } from "#lib/disk/io.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { HOLDER_LABEL } from "#lib/domain/container.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { plainFile } from "./plain-file.ts";

export interface SubjectDisk {
  readonly facts: ImageFacts;
  readonly disk: BlockSource;
  /** What its package calls it; null: the file itself is the disk. */
  readonly entry: string | null;
  /** Bytes that it takes inside its package; null: all files of it. */
  readonly storedSize: number | null;
}

export interface Subject extends AsyncDisposable {
  readonly container: OpenedContainer | null;
  readonly disks: readonly SubjectDisk[];
  /** All files that belong together, the named one first. */
  readonly files: readonly string[];
}

export interface SubjectFile {
  /** Open already; the caller closes it after the subject. */
  readonly image: ImageFile;
  readonly fileName: string;
  /** A format that was said means the file itself, not a package. */
  readonly said: SourceFormatId | null;
  /** Where a packed disk may be kept meanwhile. Absolute. */
  readonly spoolIn: string;
  readonly choice?: MachineChoice;
}

/** A file of the library. Throws `image.machine-unsaid`, `image.*`, `io.*`. */
export async function openSubject(
  folder: string,
  fileName: string,
  said: SourceFormatId | null,
  signal: AbortSignal,
  choice: MachineChoice = {},
): Promise<Subject> {
  await using stack = new AsyncDisposableStack();
  const image = stack.use(await openImageFile(join(folder, fileName), { name: fileName, guard: plainFile }));
  const subject = stack.use(await openSubjectOf({ image, fileName, said, spoolIn: folder, choice }, signal));
  requireMachine(fileName, subject.container?.undecided ?? []);
  const kept = stack.move();
  return { ...subject, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Throws `image.*`, `io.*`. */
export async function openSubjectOf(file: SubjectFile, signal: AbortSignal): Promise<Subject> {
  const { image, fileName, said, spoolIn, choice = {} } = file;
  await using stack = new AsyncDisposableStack();
  const spool = { folder: spoolIn, name: "analysis" };
  const container = said === null ? await openContainer(image, signal, { ...choice, spool }) : null;
  if (container === null) {
    const opened = stack.use(await openImage(image, { ...(said === null ? {} : { from: said }), signal }));
    const { facts, disk } = opened;
    const kept = stack.move();
    return {
      container: null,
      disks: [{ facts, disk, entry: null, storedSize: null }],
      files: named(fileName, facts.files),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }
  stack.use(container);
  const disks: SubjectDisk[] = [];
  for (const each of container.disks) {
    const opened = stack.use(await each.open({ signal, spool }));
    disks.push({
      facts: inPackage(opened, container, each.entry, disks.length),
      disk: opened.disk,
      entry: each.entry,
      storedSize: each.storedSize,
    });
  }
  // Files of a disk lie in the folder only where the package is a folder.
  const inner = container.inFolder ? disks.flatMap(({ facts }) => facts.files) : [];
  const kept = stack.move();
  return {
    container,
    disks,
    files: named(fileName, [...container.files, ...inner]),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const named = (fileName: string, files: readonly string[]): string[] => [...new Set([fileName, ...files])];

/** What is true of the whole package stands with its first disk. */
function inPackage(opened: OpenedImage, container: OpenedContainer, entry: string, before: number): ImageFacts {
  const { facts } = opened;
  const whole = before > 0 ? {} : { ...(container.machine === null ? {} : { machine: container.machine }) };
  return {
    ...facts,
    details: {
      ...facts.details,
      package: HOLDER_LABEL[container.kind],
      entry,
      ...whole,
      ...(before > 0 ? {} : container.details),
    },
    notes: before > 0 ? facts.notes : [...container.notes, ...facts.notes],
  };
}
