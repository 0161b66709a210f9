/** The disks of an OVF package: which files hold them, and how each is opened. Source: DSP0243 1.1.1, sections 5 and 8. */
import { tmpdir } from "node:os";
import { foldedName } from "#lib/domain/plain-name.ts";
import { AppError } from "#lib/errors.ts";
import { refused, truncated } from "../../image-error.ts";
import type { ByteSource } from "../../io.ts";
import { namedRaw, openNamed } from "../../open-named.ts";
import { innerName, packingOfFile, type StreamPacking } from "../../wrappers/packing.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import type { ContainedDisk, ContainedImage, OpenContained, PromisedDigest } from "../container.ts";
import { DigestChecks } from "../digest-check.ts";
import { joined } from "../slice.ts";
import { asImage, type PackageFile, type PackageFiles } from "../files/package-files.ts";
import { type OvfDisk, type OvfEnvelope, type OvfFile, requireInside } from "./envelope.ts";
import { inflated } from "./inflate.ts";

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

/** What the hardware of the machine says of its disks. */
export interface Attached {
  /** Identifiers of disks or files, in the machine's order. */
  readonly order: readonly string[];
  /** Those of other machines and of other configurations. */
  readonly elsewhere: ReadonlySet<string>;
  /** Disks of several machines are listed: two of them may share a file. */
  readonly several: boolean;
}

/** In the machine's order; what no hardware lists comes last. */
export async function disksOf(
  pack: Package,
  envelope: OvfEnvelope,
  attached: Attached,
  notes: string[],
): Promise<FoundDisk[]> {
  const { container, at } = pack;
  const found: FoundDisk[] = [];
  const names = new Set<string>();
  for (const disk of ordered(envelope, attached, notes)) {
    if (disk.hasParent) throw ovfParent(container, at, disk.id);
    const one = disk.file === null ? emptyDisk(disk) : await fileDisk(pack, disk, disk.file, notes);
    if (one === null) {
      notes.push(`Disk ${disk.id.slice(0, 80)} has neither a file nor a size and was left out.`);
      continue;
    }
    if (names.has(one.disk.entry)) {
      if (attached.several) continue;
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

function ordered(envelope: OvfEnvelope, { order, elsewhere }: Attached, notes: string[]): OvfDisk[] {
  const known = new Set(envelope.disks.flatMap(({ id, file }) => [id, ...(file === null ? [] : [file.id])]));
  const places = new Map(order.map((name, place) => [name, place] as const).reverse());
  // A drive may name a file that is listed as no disk.
  const bare = envelope.files
    .filter(({ id }) => places.has(id) && !known.has(id))
    .map((file): OvfDisk => ({ id: file.id, file, capacity: null, raw: false, hasParent: false }));
  const rank = ({ id, file }: OvfDisk) =>
    Math.min(places.get(id) ?? order.length, places.get(file?.id ?? id) ?? order.length);
  const mine = [...envelope.disks, ...bare].filter(
    (disk) => rank(disk) < order.length || !(elsewhere.has(disk.id) || elsewhere.has(disk.file?.id ?? "")),
  );
  if (order.length > 0) {
    for (const { id } of mine.filter((disk) => rank(disk) === order.length))
      notes.push(`Disk ${id.slice(0, 80)} is on no controller of the machine: it comes last.`);
  }
  return mine.sort((a, b) => rank(a) - rank(b));
}

function ovfParent(name: string, at: number, id: string) {
  return refused(
    name,
    at,
    "image.ovf-parent",
    `holds disk ${id.slice(0, 80)} as changes against another disk`,
    "Export the machine without snapshots, so that each disk is whole.",
  );
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

async function fileDisk(pack: Package, disk: OvfDisk, file: OvfFile, notes: string[]): Promise<FoundDisk> {
  const { container, files, at } = pack;
  requireInside(container, at, file, !files.apart);
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
  const packing = await packingIn(file, disk, bytes);
  const raw = disk.raw || (packing === null && namedRaw(file.href));
  if (file.size !== null && file.size !== bytes.size) {
    // A part that is missing, or the rest of a raw disk, shows nowhere else.
    if (bytes.size < file.size && (parts.length > 1 || raw))
      throw truncated(container, at, `${file.href} has ${bytes.size} bytes, the descriptor says ${file.size}`);
    notes.push(`The descriptor says ${file.size} bytes for the file ${file.href}, which has ${bytes.size}.`);
  }
  return {
    disk: {
      entry: file.href,
      label: file.href,
      capacity: disk.capacity,
      storedSize: bytes.size,
      open: (options = {}) => openDisk(pack, disk, { file, parts, bytes, packing }, options),
    },
    parts: parts.map((part) => part.name),
  };
}

/** By content: descriptors leave the word out, and say it of files that are not packed. */
async function packingIn(file: OvfFile, disk: OvfDisk, bytes: ByteSource): Promise<StreamPacking | null> {
  const packing = await packingOfFile(bytes);
  if (packing === null || packing === "zip") return null;
  const said = file.compression !== "" && file.compression !== "identity";
  // A raw disk may begin with anything.
  return said || !(disk.raw || namedRaw(file.href)) ? packing : null;
}

interface StoredDisk {
  readonly file: OvfFile;
  readonly parts: readonly PackageFile[];
  readonly bytes: ByteSource;
  readonly packing: StreamPacking | null;
}

async function openDisk(
  { files, container, at, promised }: Package,
  disk: OvfDisk,
  { file, parts, bytes: joinedParts, packing }: StoredDisk,
  { signal, check, spool, from }: OpenContained,
): Promise<ContainedImage> {
  const checks = new DigestChecks(check === true ? promised : []);
  const heard = checks.heard.bind(checks);
  const [first] = parts;
  const name = file.href;
  const bytes =
    parts.length === 1 && first !== undefined
      ? heard(first.name, first.bytes)
      : check === true
        ? joined(parts.map((part) => heard(part.name, part.bytes)))
        : joinedParts;
  const stored =
    packing === null ? bytes : await inflated(`${name} in ${container}`, packing, bytes, spool ?? TEMPORARY, signal);
  const close = () => (packing === null ? Promise.resolve() : stored[Symbol.asyncDispose]());
  const inner = packing === null ? name : innerName(name, packing);
  const opened = await openNamed(asImage(files, container, inner, stored, heard), {
    ...(disk.raw ? { from: "raw" } : from === undefined ? {} : { from }),
    ...(signal === undefined ? {} : { signal }),
  }).catch(async (error: unknown) => {
    await close();
    throw isUnknown(error) && unknownCompression(file) ? compressionError(container, at, file) : error;
  });
  const { facts } = opened;
  const notes = [...facts.notes];
  const said = file.compression === "" || file.compression === "identity" ? null : file.compression;
  if (packing !== null) {
    const undeclared = said === null ? " The descriptor does not say so." : "";
    notes.push(`${name} is stored as ${packing} and was unpacked for reading.${undeclared}`);
  } else if (said !== null)
    notes.push(`The descriptor says that ${name} is packed (${said.slice(0, 40)}), which it is not.`);
  if (disk.capacity !== null && disk.capacity !== facts.virtualSize)
    notes.push(`The descriptor says ${disk.capacity} bytes for ${name}, the disk has ${facts.virtualSize}.`);
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

const isUnknown = (error: unknown): boolean => error instanceof AppError && error.code === "image.unknown-format";

const unknownCompression = ({ compression }: OvfFile): boolean => !["", "identity", "gzip"].includes(compression);

function compressionError(container: string, at: number, file: OvfFile): AppError {
  return refused(
    container,
    at,
    "image.ovf-compression",
    `holds ${file.href} compressed as ${file.compression.slice(0, 40)}`,
    "Export the machine without that compression.",
  );
}

const folded = new WeakMap<PackageFiles, ReadonlyMap<string, readonly string[]>>();

/** Made once: a descriptor may name thousands of files that are not there. */
function foldedNames(files: PackageFiles): ReadonlyMap<string, readonly string[]> {
  const known = folded.get(files) ?? Map.groupBy(files.names, foldedName);
  folded.set(files, known);
  return known;
}

/** By the name as it stands, else as the address that it is: a blank may be written %20. */
export async function wholeFile(files: PackageFiles, file: OvfFile): Promise<PackageFile[]> {
  const plain = await files.open(file.href);
  if (plain !== null) return [plain];
  const decoded = percentDecoded(file.href);
  const found = decoded === null || /[/\\\0]/.test(decoded) ? null : await files.open(decoded);
  if (found !== null) return [found];
  const [only, ...more] = foldedNames(files).get(foldedName(decoded ?? file.href)) ?? [];
  const same = only === undefined || more.length > 0 ? null : await files.open(only);
  return same === null ? [] : [same];
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
