/** What a descriptor says beyond its extents: identity, parent, what cannot be read, details worth showing. */
import { insane, refused } from "../../image-error.ts";
import type { Descriptor } from "./descriptor.ts";

/** How a difference names its parent. VMware tells content id and path; VirtualBox UUIDs, and no path. */
export interface ParentLink {
  /** Content id as a number; null: not told. */
  readonly cid: number | null;
  readonly path: string | null;
  readonly uuid: string | null;
  /** VirtualBox's id of the parent's state. */
  readonly stateUuid: string | null;
}

const NO_CID = 0xffff_ffff;

export function contentId({ values }: Descriptor): number | null {
  return cidOf(values.get("cid"));
}

export function parentLink({ values }: Descriptor): ParentLink | null {
  const told = cidOf(values.get("parentcid"));
  const cid = told === NO_CID ? null : told;
  const uuid = uuidOf(values.get("ddb.uuid.parent"));
  if (cid === null && uuid === null) return null;
  const path = values.get("parentfilenamehint") ?? "";
  return {
    cid,
    path: path === "" ? null : path,
    uuid,
    stateUuid: uuidOf(values.get("ddb.uuid.parentmodification")),
  };
}

export function imageUuid({ values }: Descriptor): string | null {
  return uuidOf(values.get("ddb.uuid.image"));
}

export function stateUuid({ values }: Descriptor): string | null {
  return uuidOf(values.get("ddb.uuid.modification"));
}

function cidOf(text: string | undefined): number | null {
  return text !== undefined && /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : null;
}

function uuidOf(text: string | undefined): string | null {
  const uuid = text?.toLowerCase() ?? "";
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid) && /[1-9a-f]/.test(uuid) ? uuid : null;
}

const FLAT_TYPES = new Set(["FLAT", "VMFS", "VMFSTHIN"]);
/** Their own headers tell which of the sparse kinds they are. */
export const SPARSE_TYPES = new Set(["SPARSE", "VMFSSPARSE", "SESPARSE"]);

/** Throws for what is encrypted, stands for a device or is of no known kind. `at`: where the descriptor is. */
export function refuseUnreadable(name: string, { values, extents }: Descriptor, at: number): void {
  const createType = values.get("createtype")?.toLowerCase() ?? "";
  if ([...values.keys()].some((key) => key.startsWith("encryption.")) || values.has("ddb.iofilters")) {
    throw refused(
      name,
      at,
      "image.encrypted",
      "is encrypted",
      "Remove the encryption in VMware first; the key stays there.",
    );
  }
  for (const { type, access, fileName } of extents) {
    if (type === "VMFSRDM" || type === "VMFSRAW" || createType.includes("device") || access === "NOACCESS") {
      throw refused(
        name,
        at,
        "image.vmdk-device",
        "stands for a physical device and holds no data of its own",
        "Copy the device itself, or convert the raw device mapping to a virtual disk in vSphere.",
      );
    }
    if (type !== "ZERO" && !SPARSE_TYPES.has(type) && !FLAT_TYPES.has(type))
      throw insane(name, at, `it has an extent of the unknown type ${type}`);
    if (type !== "ZERO" && fileName === null) throw insane(name, at, `its ${type} extent names no file`);
  }
}

const DETAILS = [
  ["cid", "cid"],
  ["parentCid", "parentcid"],
  ["parentFileNameHint", "parentfilenamehint"],
  ["adapterType", "ddb.adaptertype"],
  ["hardwareVersion", "ddb.virtualhwversion"],
  ["toolsVersion", "ddb.toolsversion"],
  ["uuid", "ddb.uuid"],
  ["thinProvisioned", "ddb.thinprovisioned"],
] as const;

export function descriptorDetails(descriptor: Descriptor | null): Record<string, string> {
  const details: Record<string, string> = {};
  if (descriptor === null) return details;
  const alone = parentLink(descriptor) === null;
  for (const [name, key] of DETAILS) {
    const value = descriptor.values.get(key);
    if (value === undefined || value === "" || (alone && name.startsWith("parent"))) continue;
    details[name] = value.slice(0, 200);
  }
  return details;
}
