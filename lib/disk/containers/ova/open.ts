/** Opens OVF packages: an .ova (a tar) or an .ovf with its files beside it. Source: DSP0243 1.1.1, sections 5 to 9. */
import { createHash } from "node:crypto";
import type { HardwareHints } from "#lib/domain/image.ts";
import { refused, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { ContainedDisk, OpenContainerOptions, OpenedContainer, PromisedDigest } from "../container.ts";
import { manifestMismatch } from "../digest-check.ts";
import {
  filesBelow,
  filesBeside,
  filesOfTar,
  folderOf,
  inFolders,
  type PackageFile,
  type PackageFiles,
  placedAt,
  readText,
} from "../files/package-files.ts";
import { openManifest } from "../manifest/open.ts";
import { MOST_XML_BYTES, parseXml } from "../xml.ts";
import { chooseConfiguration, chooseMachine } from "./choice.ts";
import { withFiles } from "../machine/described.ts";
import { disksOf, type FoundDisk, wholeFile } from "./disks.ts";
import { type OvfEnvelope, readEnvelope, systemName } from "./envelope.ts";
import { readHardware } from "./hardware.ts";

const NOTHING: HardwareHints = { cpus: null, memory: null, firmware: null, bus: null, nic: null };

/** The result owns `image.bytes`. Throws `image.*`. */
export async function openOva(
  image: ImageFile,
  choice: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
  return openOvaFiles("ova", image, await filesOfTar(image, signal), choice, signal);
}

/** A package whose files are `files`. The result owns `image.bytes`. Throws `image.*`. */
export async function openOvaFiles(
  kind: "ova" | "ovf" | "archive",
  image: ImageFile,
  files: PackageFiles,
  choice: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
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
  const folder = folderOf(descriptor);
  const name = folder === "" ? descriptor : descriptor.slice(folder.length + 1);
  return openPackage(kind, image, filesBelow(files, folder), name, choice, signal);
}

/** The result owns `image.bytes` and the files beside it that it opened. Throws `image.*`. */
export async function openOvf(
  image: ImageFile,
  choice: OpenContainerOptions,
  signal?: AbortSignal,
): Promise<OpenedContainer> {
  return openPackage("ovf", image, await filesBeside(image), image.name, choice, signal);
}

async function openPackage(
  kind: "ova" | "ovf" | "archive",
  image: ImageFile,
  files: PackageFiles,
  descriptor: string,
  choice: OpenContainerOptions,
  signal: AbortSignal | undefined,
): Promise<OpenedContainer> {
  const described = await files.open(descriptor);
  if (described === null) throw truncated(image.name, 0, "its descriptor is gone");
  const text = await readText(image.name, described, MOST_XML_BYTES, signal);
  const envelope = readEnvelope(image.name, described.at, parseXml(image.name, described.at, text));
  const notes: string[] = [];
  const manifest = await openManifest(image.name, files, descriptor, signal);
  const promised = promisedOfOthers(manifest?.promised ?? [], described, text);
  if (manifest !== null) notes.push(...manifest.notes);
  const configuration =
    choice.everything === true ? null : chooseConfiguration(image.name, described.at, envelope.configurations, choice);
  if (configuration !== null) notes.push(configuration.note);
  const chosen = configuration?.id ?? null;
  const names = envelope.systems.map((system, i) => systemName(system) ?? `machine ${i + 1}`);
  const mine = chooseMachine(image.name, described.at, names, choice);
  const hardware = envelope.systems.map((system) => readHardware(system, chosen));
  const pack = { container: image.name, at: described.at, files, promised };
  const undecided = mine === null && names.length > 1;
  const others = hardware.filter((_, i) => mine !== null && i !== mine);
  const shown = hardware.filter((_, i) => mine === null || i === mine);
  const order = shown.flatMap((each) => each.order);
  const elsewhere = [
    ...others.flatMap((each) => [...each.order, ...each.elsewhere]),
    ...shown.flatMap((each) => each.elsewhere),
  ];
  const found = await disksOf(pack, envelope, { order, elsewhere: new Set(elsewhere), several: undecided }, notes);
  if (mine !== null && names.length > 1)
    notes.push(`Of ${names.length} machines in the package this is ${short(names[mine] ?? "")}.`);
  if (manifest !== null) notes.push(...unlisted(manifest.listed, descriptor, found));
  const own = descriptor.replace(/\.[^.]*$/, ".cert").toLowerCase();
  const certificates = files.names.filter((name) =>
    files.apart ? name.toLowerCase() === own : /^[^/]*\.cert$/i.test(name),
  );
  if (certificates.length > 0) notes.push(`The signature of the package (${certificates.join(", ")}) was not checked.`);
  const beside = [descriptor, manifest?.name, ...certificates, ...found.flatMap(({ parts }) => parts)];
  beside.push(...(await leftAside(files, envelope, new Set(beside), notes)));
  const [only] = shown;
  return {
    kind,
    machine: undecided ? null : (names[mine ?? 0] ?? null),
    undecided: undecided ? names : [],
    hints: undecided ? NOTHING : (only?.hints ?? NOTHING),
    disks: (undecided ? labelled(found, names, hardware, envelope) : found.map(({ disk }) => disk)).map((disk) =>
      placed(disk, files.root),
    ),
    promised,
    files: inFolders(files)
      ? [...new Set(beside.filter((name) => typeof name === "string").map((name) => placedAt(files.root, name)))]
      : [image.name],
    inFolder: inFolders(files),
    details: {
      ovf: envelope.version,
      ...(undecided ? {} : only?.details),
      ...(chosen === null ? {} : { configuration: chosen }),
      manifest: manifest === null ? "none" : (manifest.algorithm ?? "empty"),
    },
    notes,
    [Symbol.asyncDispose]: async () => {
      await files[Symbol.asyncDispose]?.();
      await image.bytes[Symbol.asyncDispose]();
    },
  };
}

function placed(disk: ContainedDisk, root: string | undefined): ContainedDisk {
  if (root === undefined) return disk;
  return { ...disk, open: async (options) => withFiles(await disk.open(options), (name) => placedAt(root, name)) };
}

const short = (name: string): string => name.slice(0, 80);

/** The descriptor is at hand and compared here. Throws `image.manifest-mismatch`. */
function promisedOfOthers(
  promised: readonly PromisedDigest[],
  described: PackageFile,
  text: Buffer,
): readonly PromisedDigest[] {
  for (const each of promised.filter(({ entry }) => entry === described.name)) {
    const found = createHash(each.algorithm).update(text).digest("hex");
    if (found !== each.digest) throw manifestMismatch(each, found);
  }
  return promised.filter(({ entry }) => entry !== described.name);
}

/** Files that the machine is read from and nothing is promised of. */
function unlisted(listed: ReadonlySet<string>, descriptor: string, found: readonly FoundDisk[]): string[] {
  return [descriptor, ...found.flatMap(({ parts }) => parts)]
    .filter((name) => !listed.has(name))
    .slice(0, MOST_TOLD)
    .map((name) => `The manifest does not list ${short(name)}: it was not verified.`);
}

const MOST_TOLD = 16;

/** Names of files that belong to the package and to no disk. */
async function leftAside(
  files: PackageFiles,
  envelope: OvfEnvelope,
  used: ReadonlySet<string | undefined>,
  notes: string[],
): Promise<string[]> {
  const disks = new Set(envelope.disks.map((disk) => disk.file?.id));
  const named: string[] = [];
  const told: string[] = [];
  for (const file of envelope.files.filter(({ id }) => !disks.has(id))) {
    const found = file.inside && (!files.apart || !file.href.includes("/")) ? await wholeFile(files, file) : [];
    if (found.some(({ name }) => used.has(name))) continue;
    named.push(...found.map(({ name }) => name));
    told.push(
      found.length > 0
        ? `${file.href} is no disk and was left aside.`
        : `${short(file.href)} is no disk, and is not there.`,
    );
  }
  const known = new Set([...used, ...named, ...envelope.files.map(({ href }) => href)]);
  // What else lies in a folder is not the package's.
  const strange = files.apart ? [] : files.names.filter((name) => !known.has(name) && !isPart(name, known));
  if (strange.length > 0) {
    const shown = strange.slice(0, MOST_TOLD).map(short).join(", ");
    told.push(`The descriptor does not name ${shown}${strange.length > MOST_TOLD ? " and others" : ""}: left aside.`);
  }
  notes.push(...told.slice(0, MOST_TOLD));
  return named;
}

/** One of the parts of a file that is listed, or a manifest. */
const isPart = (name: string, known: ReadonlySet<string | undefined>): boolean =>
  /\.mf$/i.test(name) || known.has(name.replace(/\.\d{9}$/, ""));

/** While nobody has said which machine is meant, each disk bears the name of its own. */
function labelled(
  found: readonly FoundDisk[],
  names: readonly string[],
  hardware: readonly { readonly order: readonly string[] }[],
  envelope: OvfEnvelope,
): ContainedDisk[] {
  return found.map(({ disk }) => {
    const ids = envelope.disks
      .filter(({ id, file }) => id === disk.entry || file?.href === disk.entry)
      .flatMap(({ id, file }) => [id, file?.id]);
    const owners = names.filter((_, i) => hardware[i]?.order.some((id) => ids.includes(id)));
    return { ...disk, label: owners.length === 0 ? disk.label : `${disk.label} of ${owners.map(short).join(" and ")}` };
  });
}
