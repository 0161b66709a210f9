/** Opens OVF packages: an .ova (a tar) or an .ovf with its files beside it. Source: DSP0243 1.1.1, sections 5 to 9. */
import { createHash } from "node:crypto";
import type { HardwareHints } from "#lib/domain/image.ts";
import { refused, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { OpenedContainer, PromisedDigest } from "../container.ts";
import { manifestMismatch } from "../digest-check.ts";
import { MOST_XML_BYTES, parseXml } from "../xml.ts";
import { disksOf, wholeFile } from "./disks.ts";
import { readEnvelope, systemName } from "./envelope.ts";
import { readHardware } from "./hardware.ts";
import { readManifest } from "./manifest.ts";
import { filesBeside, filesOfTar, readText, type PackageFile, type PackageFiles } from "./package-files.ts";

const MOST_MANIFEST_BYTES = 1_048_576;
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
