/**
 * DiskDescriptor.xml of a Parallels disk: which files hold which sectors, and in which order they cover one another.
 * Source: docs/interop/prl-xml of QEMU 7.2.
 */
import { parseXml, type XmlElement } from "../../containers/xml.ts";
import { insane, refused } from "../../image-error.ts";

export const DESCRIPTOR_NAME = "DiskDescriptor.xml";
export const MAX_DESCRIPTOR_BYTES = 1_048_576;
const MOST_STORAGES = 1024;
const MOST_IMAGES = 64;
const MAX_SECTORS = Math.floor(Number.MAX_SAFE_INTEGER / 512);
/** What is written to, unless the descriptor tells another. */
const TOP = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";
const NONE = "{00000000-0000-0000-0000-000000000000}";

interface StorageImage {
  readonly guid: string;
  readonly type: "plain" | "expanding";
  /** Path as it was written. */
  readonly file: string;
}

/** A stretch of the disk, in sectors, with the images that it is made of: the topmost first, at least one. */
export interface Storage {
  readonly start: number;
  readonly end: number;
  readonly images: readonly [StorageImage, ...StorageImage[]];
}

export interface ParallelsDescriptor {
  /** Sectors. */
  readonly size: number;
  /** In the disk's order, without gaps. */
  readonly storages: readonly Storage[];
  /** Snapshots below the current state. */
  readonly snapshots: number;
}

export function looksLikeDescriptor(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 1024)).toString("latin1");
  return /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<Parallels_disk_image[\s>]/.test(text);
}

/** Throws `image.header-insane`, `image.corrupt`, `image.encrypted`, `image.unsupported-feature`, `image.xml-refused`. */
export function parseDescriptor(name: string, bytes: Buffer): ParallelsDescriptor {
  const root = parseXml(name, 0, bytes);
  const bad = (what: string) => insane(name, 0, what);
  if (root.name !== "Parallels_disk_image") throw bad("it is no descriptor of a Parallels disk");
  const parameters = child(root, "Disk_Parameters");
  const size = number(textOf(parameters, "Disk_size"));
  if (size === null) throw bad("it does not tell the size of the disk");
  refuseUnread(name, parameters);

  const shots = parentsOf(name, child(root, "Snapshots"));
  const stored = all(child(root, "StorageData"), "Storage");
  if (stored.length === 0 || stored.length > MOST_STORAGES) throw bad(`it tells of ${stored.length} storages`);
  const storages = stored.map((storage) => toStorage(name, storage, shots)).sort((a, b) => a.start - b.start);
  let next = 0;
  for (const { start, end } of storages) {
    if (start !== next || end <= start) throw bad(`its storages leave a gap or overlap at sector ${start}`);
    next = end;
  }
  if (next !== size) throw bad(`its storages end at sector ${next}, its disk at ${size}`);
  return { size, storages, snapshots: Math.max(...storages.map(({ images }) => images.length)) - 1 };
}

function refuseUnread(name: string, parameters: XmlElement | null): void {
  const padding = textOf(parameters, "Padding");
  if (padding !== null && padding !== "0") {
    throw refused(
      name,
      0,
      "image.unsupported-feature",
      "is of a Parallels disk with padding, of which nothing is known",
      "Convert it in Parallels: prl_disk_tool convert.",
    );
  }
  const sector = number(textOf(parameters, "LogicSectorSize"));
  if (sector !== null && sector !== 512) {
    throw refused(
      name,
      0,
      "image.unsupported-feature",
      `is of a Parallels disk with sectors of ${sector} bytes`,
      "Parallels disks with sectors of 512 bytes are read.",
    );
  }
  const engine = textOf(child(parameters, "Encryption"), "Engine");
  if (engine !== null && engine !== "" && engine.toLowerCase() !== NONE) {
    throw refused(
      name,
      0,
      "image.encrypted",
      "is of an encrypted Parallels disk",
      "Turn its encryption off in Parallels first; the key stays there.",
    );
  }
}

interface Shots {
  readonly top: string;
  /** Child → parent. */
  readonly parents: ReadonlyMap<string, string>;
}

function parentsOf(name: string, snapshots: XmlElement | null): Shots {
  const parents = new Map<string, string>();
  for (const shot of all(snapshots, "Shot")) {
    const guid = textOf(shot, "GUID")?.toLowerCase();
    const parent = textOf(shot, "ParentGUID")?.toLowerCase();
    if (guid === undefined || parent === undefined) throw insane(name, 0, "one of its snapshots has no identity");
    if (parents.has(guid)) throw insane(name, 0, `it tells of the snapshot ${guid.slice(0, 40)} twice`);
    parents.set(guid, parent);
  }
  return { top: (textOf(snapshots, "TopGUID") ?? TOP).toLowerCase(), parents };
}

function toStorage(name: string, storage: XmlElement, { top, parents }: Shots): Storage {
  const start = number(textOf(storage, "Start"));
  const end = number(textOf(storage, "End"));
  if (start === null || end === null) throw insane(name, 0, "one of its storages does not tell where it lies");
  const images = new Map<string, StorageImage>();
  for (const image of all(storage, "Image")) {
    const guid = textOf(image, "GUID")?.toLowerCase() ?? "";
    const type = textOf(image, "Type")?.toLowerCase();
    const file = textOf(image, "File") ?? "";
    if (file === "") throw insane(name, 0, "one of its images names no file");
    if (type !== "plain" && type !== "compressed")
      throw insane(name, 0, `one of its images is of the unknown type ${JSON.stringify((type ?? "").slice(0, 40))}`);
    if (images.has(guid)) throw insane(name, 0, `it tells of the image ${guid.slice(0, 40)} twice`);
    images.set(guid, { guid, type: type === "plain" ? "plain" : "expanding", file });
  }
  const [only] = images.values();
  // Without snapshots there is one image, whatever it is called.
  const isAlone = only !== undefined && (parents.size === 0 || (parents.size === 1 && parents.has(only.guid)));
  if (isAlone && images.size === 1) return { start, end, images: [only] };
  const chain: StorageImage[] = [];
  for (let guid = top; guid !== NONE; ) {
    const image = images.get(guid);
    if (image === undefined) throw insane(name, 0, `it tells of no image for the snapshot ${guid.slice(0, 40)}`);
    if (chain.includes(image)) throw insane(name, 0, "its snapshots go round in a circle");
    chain.push(image);
    if (chain.length > MOST_IMAGES) {
      throw refused(
        name,
        0,
        "image.chain-too-deep",
        `has more than ${MOST_IMAGES} snapshots below the current state`,
        "Merge the snapshots into one disk first.",
      );
    }
    const parent = parents.get(guid);
    if (parent === undefined && images.size > 1)
      throw insane(name, 0, `it does not tell what the snapshot ${guid.slice(0, 40)} stands on`);
    guid = parent ?? NONE;
  }
  const [first, ...below] = chain;
  if (first === undefined) throw insane(name, 0, "one of its storages has no image");
  return { start, end, images: [first, ...below] };
}

function child(element: XmlElement | null, name: string): XmlElement | null {
  return element?.children.find((each) => each.name === name) ?? null;
}

function all(element: XmlElement | null, name: string): readonly XmlElement[] {
  return element?.children.filter((each) => each.name === name) ?? [];
}

function textOf(element: XmlElement | null, name: string): string | null {
  return child(element, name)?.text.trim() ?? null;
}

function number(text: string | null): number | null {
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  const found = Number(text);
  return found <= MAX_SECTORS ? found : null;
}
