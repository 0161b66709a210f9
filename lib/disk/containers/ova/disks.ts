/** The disks of an OVF package: which files hold them, and how each is opened. Source: DSP0243 1.1.1, sections 5 and 8. */
import { tmpdir } from "node:os";
import { refused, truncated } from "../../image-error.ts";
import type { ByteSource } from "../../io.ts";
import { openImage } from "../../registry.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import type { ContainedDisk, ContainedImage, OpenContained, PromisedDigest } from "../container.ts";
import { DigestChecks } from "../digest-check.ts";
import { joined } from "../slice.ts";
import type { OvfDisk, OvfEnvelope, OvfFile } from "./envelope.ts";
import type { OvfHardware } from "./hardware.ts";
import { inflated } from "./inflate.ts";
import { asImage, type PackageFile, type PackageFiles } from "./package-files.ts";

const MOST_CHUNKS = 4096;
const TEMPORARY = { folder: tmpdir(), name: "package" };

export interface FoundDisk {
  readonly disk: ContainedDisk;
  /** Names of the package's files that it reads. */
  readonly parts: readonly string[];
}

export interface Package {
  /** Name for messages. */
  readonly container: string;
  /** Where the descriptor stands in it. */
  readonly at: number;
  readonly files: PackageFiles;
  readonly promised: readonly PromisedDigest[];
}

/** In the order in which the machines' hardware lists them; what no hardware lists comes last. */
export async function disksOf(
  pack: Package,
  envelope: OvfEnvelope,
  hardware: readonly OvfHardware[],
  notes: string[],
): Promise<FoundDisk[]> {
  const { container, at } = pack;
  const order = hardware.flatMap((machine) => machine.order);
  const places = new Map(order.map((name, place) => [name, place] as const).reverse());
  const rank = ({ id, file }: OvfDisk) =>
    Math.min(places.get(id) ?? order.length, places.get(file?.id ?? id) ?? order.length);
  const sorted = [...envelope.disks].sort((a, b) => rank(a) - rank(b));
  const found: FoundDisk[] = [];
  const names = new Set<string>();
  for (const disk of sorted) {
    const one = disk.file === null ? emptyDisk(disk) : await fileDisk(pack, disk, disk.file);
    if (one === null) {
      notes.push(`Disk ${disk.id.slice(0, 80)} has neither a file nor a size and was left out.`);
      continue;
    }
    if (names.has(one.disk.entry)) {
      throw refused(
        container,
        at,
        "image.duplicate-entry",
        `uses the file ${one.disk.entry.slice(0, 100)} for two disks`,
        "Export the machine again.",
      );
    }
    names.add(one.disk.entry);
    found.push(one);
  }
  if (found.length === 0) {
    throw refused(container, at, "image.no-disks", "describes a machine without disks", "There is nothing to convert.");
  }
  return found;
}

function emptyDisk({ id, capacity }: OvfDisk): FoundDisk | null {
  if (capacity === null || capacity === 0) return null;
  const open = async (): Promise<ContainedImage> => {
    const disk = new ZeroDisk(capacity);
    const facts = {
      format: "raw",
      variant: "empty",
      virtualSize: capacity,
      files: [],
      details: {},
      notes: [],
    } as const;
    return { facts, disk, [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose]() };
  };
  return { disk: { entry: id, label: `${id} (empty)`, capacity, storedSize: 0, open }, parts: [] };
}

async function fileDisk(pack: Package, disk: OvfDisk, file: OvfFile): Promise<FoundDisk> {
  const { container, files, at } = pack;
  if (file.compression !== "" && file.compression !== "identity" && file.compression !== "gzip") {
    throw refused(
      container,
      at,
      "image.ovf-compression",
      `holds ${file.href} compressed as ${file.compression.slice(0, 40)}`,
      "Export the machine without that compression.",
    );
  }
  const parts = file.chunkSize === null ? await wholeFile(files, file) : await chunks(container, files, at, file);
  if (parts.length === 0) {
    throw refused(
      container,
      at,
      "image.sibling-missing",
      `names ${file.href}, which is not there`,
      "Bring all files of the machine together.",
    );
  }
  const [first] = parts;
  const bytes: ByteSource =
    parts.length === 1 && first !== undefined ? first.bytes : joined(parts.map((part) => part.bytes));
  if (file.size !== null && file.size !== bytes.size) {
    throw truncated(container, at, `${file.href} has ${bytes.size} bytes, the descriptor says ${file.size}`);
  }
  return {
    disk: {
      entry: file.href,
      label: file.href,
      capacity: disk.capacity,
      storedSize: bytes.size,
      open: (options = {}) => openDisk(pack, disk, parts, bytes, options),
    },
    parts: parts.map((part) => part.name),
  };
}

async function openDisk(
  { files, container, promised }: Package,
  disk: OvfDisk,
  parts: readonly PackageFile[],
  joinedParts: ByteSource,
  { signal, check, spool }: OpenContained,
): Promise<ContainedImage> {
  const checks = new DigestChecks(check === true ? promised : []);
  const heard = checks.heard.bind(checks);
  const [first] = parts;
  const name = disk.file?.href ?? disk.id;
  const bytes =
    parts.length === 1 && first !== undefined
      ? heard(first.name, first.bytes)
      : check === true
        ? joined(parts.map((part) => heard(part.name, part.bytes)))
        : joinedParts;
  const packed = disk.file?.compression === "gzip";
  const stored = packed ? await inflated(`${name} in ${container}`, bytes, spool ?? TEMPORARY, signal) : bytes;
  const close = () => (packed ? stored[Symbol.asyncDispose]() : Promise.resolve());
  const opened = await openImage(asImage(files, container, name, stored, heard), {
    ...(disk.raw ? { from: "raw" } : {}),
    ...(signal === undefined ? {} : { signal }),
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const { facts } = opened;
  const differs = disk.capacity !== null && disk.capacity !== facts.virtualSize;
  const told = packed ? [...facts.notes, `${name} is stored as gzip and was unpacked for reading.`] : facts.notes;
  const notes = differs
    ? [...told, `The descriptor says ${disk.capacity} bytes for ${name}, the disk has ${facts.virtualSize}.`]
    : told;
  return {
    facts: { ...facts, notes },
    disk: opened.disk,
    ...(checks.any ? { verify: (stop?: AbortSignal) => checks.verify(stop) } : {}),
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]();
      await close();
    },
  };
}

/** By the name as it stands, else as the address that it is: a blank may be written %20. */
export async function wholeFile(files: PackageFiles, file: OvfFile): Promise<PackageFile[]> {
  const plain = await files.open(file.href);
  if (plain !== null) return [plain];
  const decoded = percentDecoded(file.href);
  const found = decoded === null || /[/\\\0]/.test(decoded) ? null : await files.open(decoded);
  return found === null ? [] : [found];
}

function percentDecoded(href: string): string | null {
  try {
    return decodeURIComponent(href);
  } catch {
    return null;
  }
}

/** `NAME.000000000`, `NAME.000000001` … each of `chunkSize` bytes but the last. */
async function chunks(container: string, files: PackageFiles, at: number, file: OvfFile): Promise<PackageFile[]> {
  const found: PackageFile[] = [];
  for (let i = 0; i <= MOST_CHUNKS; i++) {
    const part = await files.open(`${file.href}.${String(i).padStart(9, "0")}`);
    if (part === null) break;
    const before = found.at(-1);
    if (before !== undefined && before.bytes.size !== file.chunkSize) {
      throw truncated(container, at, `${before.name} has ${before.bytes.size} bytes, not ${file.chunkSize}`);
    }
    found.push(part);
  }
  // Some writers say a chunk size for a file that fits into one.
  return found.length > 0 ? found : wholeFile(files, file);
}
