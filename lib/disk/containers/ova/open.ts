/** Opens OVF packages: an .ova (a tar) or an .ovf with its files beside it. Source: DSP0243 1.1.1, sections 5 to 9. */
import { createHash } from "node:crypto";
import type { HardwareHints } from "#lib/domain/image.ts";
import { refused, truncated } from "../../image-error.ts";
import type { ByteSource, ImageFile } from "../../io.ts";
import { openImage } from "../../registry.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import type { ContainedDisk, ContainedImage, OpenContained, OpenedContainer, PromisedDigest } from "../container.ts";
import { DigestChecks, manifestMismatch } from "../digest-check.ts";
import { joined } from "../slice.ts";
import { MOST_XML_BYTES, parseXml } from "../xml.ts";
import { readEnvelope, systemName, type OvfDisk, type OvfEnvelope, type OvfFile } from "./envelope.ts";
import { readHardware, type OvfHardware } from "./hardware.ts";
import { readManifest } from "./manifest.ts";
import { asImage, filesBeside, filesOfTar, readText, type PackageFile, type PackageFiles } from "./package-files.ts";

const MOST_MANIFEST_BYTES = 1_048_576;
const MOST_CHUNKS = 4096;
const NOTHING: HardwareHints = { cpus: null, memory: null, firmware: null, bus: null, nic: null };

/** The result owns `image.bytes`. Throws `image.*`. */
export async function openOva(image: ImageFile, signal?: AbortSignal): Promise<OpenedContainer> {
  const files = await filesOfTar(image, signal);
  const descriptors = files.names.filter((name) => /\.ovf$/i.test(name));
  const [descriptor] = descriptors;
  if (descriptor === undefined || descriptors.length > 1) {
    throw refused(
      image.name,
      0,
      "image.no-descriptor",
      descriptor === undefined ? "holds no .ovf descriptor" : "holds more than one .ovf descriptor",
      "Export the machine again.",
    );
  }
  return openPackage("ova", image, files, descriptor, signal);
}

/** The result owns `image.bytes` and the files beside it that it opened. Throws `image.*`. */
export function openOvf(image: ImageFile, signal?: AbortSignal): Promise<OpenedContainer> {
  return openPackage("ovf", image, filesBeside(image), image.name, signal);
}

async function openPackage(
  kind: "ova" | "ovf",
  image: ImageFile,
  files: PackageFiles,
  descriptor: string,
  signal: AbortSignal | undefined,
): Promise<OpenedContainer> {
  const described = await files.open(descriptor);
  if (described === null) throw truncated(image.name, 0, "its descriptor is gone");
  const text = await readText(image.name, described, MOST_XML_BYTES, signal);
  const envelope = readEnvelope(image.name, described.at, parseXml(image.name, described.at, text));
  const notes: string[] = [];
  const manifest = await openManifest(image.name, files, descriptor, signal);
  const promised = await promisedOf(files, manifest?.lines ?? [], described, text, notes);
  const hardware = envelope.systems.map(readHardware);
  const disks = await disksOf({ container: image.name, at: described.at, files, promised }, envelope, hardware, notes);
  const [system] = envelope.systems;
  const certificate = await files.open(descriptor.replace(/\.ovf$/i, ".cert"));
  if (certificate !== null) notes.push("The package is signed; its signature was not checked.");
  if (envelope.systems.length > 1) {
    notes.push(`It describes ${envelope.systems.length} machines: their disks are listed together.`);
  }
  const used = new Set(envelope.disks.map((disk) => disk.file?.id));
  const beside = [descriptor, manifest?.file.name, certificate?.name, ...disks.flatMap(({ parts }) => parts)];
  for (const file of envelope.files.filter(({ id }) => !used.has(id))) {
    notes.push(`${file.href} is no disk and was left aside.`);
    const found = await wholeFile(files, file);
    beside.push(...found.map(({ name }) => name));
  }
  return {
    kind,
    machine: system === undefined ? null : systemName(system),
    hints: hardware[0]?.hints ?? NOTHING,
    disks: disks.map(({ disk }) => disk),
    promised,
    files:
      kind === "ova" ? [image.name] : [...new Set(beside.filter((name): name is string => typeof name === "string"))],
    details: {
      ovf: envelope.version,
      ...(hardware[0]?.family ? { hardware: hardware[0].family } : {}),
      ...(hardware[0] === undefined ? {} : { nics: hardware[0].nics }),
      manifest: manifest === null ? "none" : (manifest.lines[0]?.algorithm ?? "empty"),
    },
    notes,
    [Symbol.asyncDispose]: () => image.bytes[Symbol.asyncDispose](),
  };
}

async function openManifest(
  container: string,
  files: PackageFiles,
  descriptor: string,
  signal: AbortSignal | undefined,
): Promise<{ file: PackageFile; lines: ReturnType<typeof readManifest> } | null> {
  const name = files.names.find((other) => /\.mf$/i.test(other)) ?? descriptor.replace(/\.ovf$/i, ".mf");
  const file = name === descriptor ? null : await files.open(name);
  if (file === null) return null;
  const text = await readText(container, file, MOST_MANIFEST_BYTES, signal);
  return { file, lines: readManifest(container, file.at, text.toString("utf8")) };
}

/** Where the promised bytes lie. The descriptor is at hand and compared here. */
async function promisedOf(
  files: PackageFiles,
  lines: ReturnType<typeof readManifest>,
  described: PackageFile,
  text: Buffer,
  notes: string[],
): Promise<PromisedDigest[]> {
  const promised: PromisedDigest[] = [];
  for (const line of lines) {
    if (line.entry === described.name) {
      const found = createHash(line.algorithm).update(text).digest("hex");
      if (found !== line.digest) throw manifestMismatch({ ...line, file: described.file, at: described.at }, found);
      continue;
    }
    // A name that is no plain one in a list of names is not worth a refusal: nothing is read by it.
    const file = /[/\\]/.test(line.entry) ? null : await files.open(line.entry);
    if (file === null) notes.push(`The manifest lists ${line.entry.slice(0, 100)}, which is not there.`);
    else promised.push({ ...line, file: file.file, at: file.at, length: file.bytes.size });
  }
  return promised;
}

interface FoundDisk {
  readonly disk: ContainedDisk;
  /** Names of the package's files that it reads. */
  readonly parts: readonly string[];
}

interface Package {
  /** Name for messages. */
  readonly container: string;
  /** Where the descriptor stands in it. */
  readonly at: number;
  readonly files: PackageFiles;
  readonly promised: readonly PromisedDigest[];
}

/** In the order in which the machines' hardware lists them; what no hardware lists comes last. */
async function disksOf(
  pack: Package,
  envelope: OvfEnvelope,
  hardware: readonly OvfHardware[],
  notes: string[],
): Promise<FoundDisk[]> {
  const { container, at } = pack;
  const order = hardware.flatMap((machine) => machine.order);
  const rank = ({ id, file }: OvfDisk) => {
    const found = order.findIndex((name) => name === id || name === file?.id);
    return found === -1 ? order.length : found;
  };
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
  { signal, check }: OpenContained,
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
  const opened = await openImage(asImage(files, container, name, bytes, heard), {
    ...(disk.raw ? { from: "raw" } : {}),
    ...(signal === undefined ? {} : { signal }),
  });
  const { facts } = opened;
  const differs = disk.capacity !== null && disk.capacity !== facts.virtualSize;
  const notes = differs
    ? [...facts.notes, `The descriptor says ${disk.capacity} bytes for ${name}, the disk has ${facts.virtualSize}.`]
    : facts.notes;
  return {
    facts: { ...facts, notes },
    disk: opened.disk,
    ...(checks.any ? { verify: (stop?: AbortSignal) => checks.verify(stop) } : {}),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** By the name as it stands, else as the address that it is: a blank may be written %20. */
async function wholeFile(files: PackageFiles, file: OvfFile): Promise<PackageFile[]> {
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
