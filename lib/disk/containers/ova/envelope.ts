/**
 * The OVF envelope: which files there are, which disks they hold, which machine they belong to.
 * Source: DSP0243 1.1.1 and 2.1.1; 0.9 and oVirt name sections by `xsi:type`.
 */
import { insane, refused } from "../../image-error.ts";
import { isPlainPath } from "../files/plain-path.ts";
import { childrenOf, childText, descendants, type XmlElement } from "../xml.ts";
import { inBytes } from "./units.ts";

export interface OvfFile {
  readonly id: string;
  /** Without a leading `./`. */
  readonly href: string;
  /** The address leads to a file of the package. */
  readonly inside: boolean;
  /** As the descriptor says it; null when it does not. */
  readonly size: number | null;
  readonly compression: string;
  /** Bytes of each part when the file is split. */
  readonly chunkSize: number | null;
}

export interface OvfDisk {
  readonly id: string;
  /** Null: an empty disk, made when the machine is. */
  readonly file: OvfFile | null;
  readonly capacity: number | null;
  /** The descriptor says that the file is the disk, byte for byte. */
  readonly raw: boolean;
  /** It is changes against another disk. */
  readonly hasParent: boolean;
}

export interface OvfEnvelope {
  readonly version: string;
  readonly files: readonly OvfFile[];
  readonly disks: readonly OvfDisk[];
  /** VirtualSystem or Content elements. */
  readonly systems: readonly XmlElement[];
  readonly configurations: readonly OvfConfiguration[];
}

/** One of several sets of hardware that the same machine may be given. */
export interface OvfConfiguration {
  readonly id: string;
  readonly label: string;
  /** Taken when nobody chooses; one of them is. */
  readonly isDefault: boolean;
}

const MOST_FILES = 2048;
const MOST_DISKS = 256;
const MOST_CONFIGURATIONS = 256;

/** Throws `image.header-insane`, `image.ovf-parent`, `image.not-an-envelope`. `at`: of the descriptor in `name`. */
export function readEnvelope(name: string, at: number, root: XmlElement): OvfEnvelope {
  if (root.name !== "Envelope") {
    throw refused(
      name,
      at,
      "image.not-an-envelope",
      `has a description whose root is ${root.name.slice(0, 60)}, not Envelope`,
      "Name the .ovf or .ova file of the machine.",
    );
  }
  const files = filesOf(name, at, root);
  const byId = new Map(files.map((file) => [file.id, file]));
  const properties = propertiesOf(root);
  const disks: OvfDisk[] = [];
  for (const section of sectionsOf(root, "DiskSection")) {
    for (const disk of childrenOf(section, "Disk")) disks.push(diskOf(name, at, disk, byId, properties));
  }
  if (disks.length > MOST_DISKS) throw insane(name, at, `the descriptor names ${disks.length} disks`);
  if (new Set(disks.map((disk) => disk.id)).size < disks.length) {
    throw insane(name, at, "the descriptor has two disks of one name");
  }
  return {
    version: versionOf(root),
    files,
    disks,
    systems: [...descendants(root, "VirtualSystem"), ...descendants(root, "Content")],
    configurations: configurationsOf(root),
  };
}

/** Source: DSP0243 1.1.1, section 9.8: the first is the default when none is marked so. */
function configurationsOf(root: XmlElement): OvfConfiguration[] {
  const found = sectionsOf(root, "DeploymentOptionSection")
    .flatMap((section) => childrenOf(section, "Configuration"))
    .slice(0, MOST_CONFIGURATIONS);
  const marked = found.findIndex((each) => /^(true|1)$/i.test(each.attributes.get("default") ?? ""));
  return found.map((each, i) => {
    const id = each.attributes.get("id") ?? "";
    return { id, label: childText(each, "Label") ?? id, isDefault: i === Math.max(marked, 0) };
  });
}

/** Defaults of the properties that a person may set: a capacity may be given by one. */
function propertiesOf(root: XmlElement): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const section of descendants(root, "ProductSection")) {
    const group = section.attributes.get("class") ?? "";
    for (const property of childrenOf(section, "Property")) {
      const key = property.attributes.get("key") ?? "";
      const value = property.attributes.get("value") ?? "";
      found.set(key, value);
      if (group !== "") found.set(`${group}.${key}`, value);
    }
  }
  return found;
}

/** Sections by element name, or by type where the element is a mere `Section`. */
export function sectionsOf(parent: XmlElement, kind: string): readonly XmlElement[] {
  return parent.children.filter(
    (child) =>
      child.name === kind ||
      (child.name === "Section" && (child.attributes.get("type") ?? "").includes(`${kind}_Type`)),
  );
}

function filesOf(name: string, at: number, root: XmlElement): OvfFile[] {
  const files: OvfFile[] = [];
  for (const references of childrenOf(root, "References")) {
    for (const file of childrenOf(references, "File")) {
      const href = file.attributes.get("href") ?? "";
      files.push({
        id: file.attributes.get("id") ?? href,
        ...place(href),
        size: whole(file.attributes.get("size")),
        compression: (file.attributes.get("compression") ?? "").toLowerCase(),
        chunkSize: whole(file.attributes.get("chunkSize")),
      });
    }
  }
  if (files.length > MOST_FILES) throw insane(name, at, `the descriptor names ${files.length} files`);
  if (new Set(files.map((file) => file.id)).size < files.length) {
    throw insane(name, at, "the descriptor has two files of one name");
  }
  return files;
}

function place(href: string): Pick<OvfFile, "href" | "inside"> {
  const plain = href.replace(/^file:(?!\/)/, "").replace(/^\.\//, "");
  return { href: plain, inside: plain.length <= 1024 && !/^[a-z][a-z0-9+.-]*:/i.test(plain) && isPlainPath(plain) };
}

/** Throws `image.path-escapes` for addresses and for paths that lead out. */
export function requireInside(name: string, at: number, file: OvfFile, folders: boolean): void {
  if (file.inside && (folders || !file.href.includes("/"))) return;
  throw refused(
    name,
    at,
    "image.path-escapes",
    `names ${JSON.stringify(file.href.slice(0, 200))}, which is not a plain file beside it`,
    "Put all files of the machine into one folder and let the descriptor name them without a path.",
  );
}

function diskOf(
  name: string,
  at: number,
  disk: XmlElement,
  files: ReadonlyMap<string, OvfFile>,
  properties: ReadonlyMap<string, string>,
): OvfDisk {
  const attribute = (key: string) => disk.attributes.get(key) ?? "";
  const id = attribute("diskId") || attribute("fileRef");
  const fileRef = attribute("fileRef");
  const file = fileRef === "" ? null : (files.get(fileRef) ?? null);
  if (fileRef !== "" && file === null) {
    throw insane(name, at, `disk ${id.slice(0, 80)} refers to a file ${fileRef.slice(0, 80)} that is not listed`);
  }
  const units = attribute("capacityAllocationUnits");
  // oVirt gives gibibytes as `size` where the standard has `capacity`.
  const said = attribute("capacity").replace(/^\$\{([^{}]{1,200})\}$/, (_, key: string) => properties.get(key) ?? "");
  const capacity = said === "" ? inBytes(attribute("size"), "gb") : inBytes(said, units);
  return {
    id,
    file,
    capacity,
    raw: attribute("volume-format").toUpperCase() === "RAW",
    hasParent: attribute("parentRef") !== "",
  };
}

function whole(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

function versionOf(root: XmlElement): string {
  const version = root.attributes.get("version");
  if (version !== undefined && /^[\d.]{1,12}$/.test(version)) return version;
  return sectionsOf(root, "DiskSection").some((section) => section.name === "Section") ? "0.9" : "1.0";
}

/** What people call the machine. */
export function systemName(system: XmlElement): string | null {
  const name = childText(system, "Name") ?? system.attributes.get("id") ?? null;
  return name === null ? null : name.slice(0, 200);
}
