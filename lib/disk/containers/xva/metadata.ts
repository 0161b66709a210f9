/** `ova.xml`: the records of a XenServer export as an XML-RPC value. Source: xapi, `xapi/export.ml` and XenAPI's classes. */
import type { HardwareHints } from "#lib/domain/image.ts";
import { corrupt, refused } from "../../image-error.ts";
import { childrenOf, type XmlElement } from "../xml.ts";

export interface XvaDisk {
  /** Folder of its blocks in the archive, e.g. `Ref:4`. */
  readonly ref: string;
  readonly label: string;
  readonly virtualSize: number;
}

export interface XvaMachine {
  readonly name: string | null;
  readonly hints: HardwareHints;
  readonly disks: readonly XvaDisk[];
  readonly nics: number;
  readonly snapshots: number;
  /** e.g. `XCP-ng 8.3.0`. */
  readonly product: string;
}

type RpcValue = string | readonly RpcValue[] | ReadonlyMap<string, RpcValue>;
type Struct = ReadonlyMap<string, RpcValue>;

interface Saved {
  readonly kind: string;
  readonly id: string;
  readonly fields: Struct;
}

const NO_FIELDS: Struct = new Map();

/** Throws `image.corrupt`, `image.no-disks`. `at`: of the text in `file`. */
export function readMachine(file: string, at: number, root: XmlElement): XvaMachine {
  const top = struct(valueOf(root));
  const objects = list(top.get("objects")).map((value): Saved => {
    const saved = struct(value);
    return { kind: text(saved, "class"), id: text(saved, "id"), fields: struct(saved.get("snapshot")) };
  });
  const machines = objects.filter(({ kind }) => kind === "VM");
  const whole = machines.filter(({ fields }) => text(fields, "is_a_snapshot") !== "1");
  const machine = whole[0] ?? machines[0];
  if (machine === undefined) throw corrupt(file, at, "its ova.xml describes no machine");
  const { fields } = machine;
  const disks = disksOf(file, at, machine, objects);
  if (disks.length === 0) {
    throw refused(file, at, "image.no-disks", "describes a machine without disks", "There is nothing to convert.");
  }
  const version = struct(top.get("version"));
  const firmware = text(struct(fields.get("HVM_boot_params")), "firmware").toLowerCase();
  return {
    name: text(fields, "name_label").slice(0, 200) || null,
    hints: {
      cpus: count(text(fields, "VCPUs_max"), 4096),
      memory: count(text(fields, "memory_static_max"), Number.MAX_SAFE_INTEGER),
      firmware: firmware === "uefi" ? "uefi" : "bios",
      bus: "xen",
      nic: "netfront",
    },
    disks,
    nics: objects.filter((object) => object.kind === "VIF" && text(object.fields, "VM") === machine.id).length,
    snapshots: machines.length - 1,
    product: [text(version, "product_brand"), text(version, "product_version")].filter(Boolean).join(" ").slice(0, 80),
  };
}

/** Disks of the machine by the place that its guest sees them in; CD drives are none. */
function disksOf(file: string, at: number, machine: Saved, objects: readonly Saved[]): XvaDisk[] {
  const images = new Map(objects.filter(({ kind }) => kind === "VDI").map((vdi) => [vdi.id, vdi]));
  const drives = objects
    .filter(({ kind, fields }) => kind === "VBD" && text(fields, "VM") === machine.id && text(fields, "type") !== "CD")
    .map((drive) => ({ place: Number(text(drive.fields, "userdevice")), vdi: images.get(text(drive.fields, "VDI")) }))
    .sort((a, b) => (Number.isNaN(a.place) || Number.isNaN(b.place) ? 0 : a.place - b.place));
  const found: XvaDisk[] = [];
  const seen = new Set<string>();
  for (const { vdi } of drives) {
    if (vdi === undefined || seen.has(vdi.id)) continue;
    seen.add(vdi.id);
    const virtualSize = count(text(vdi.fields, "virtual_size"), Number.MAX_SAFE_INTEGER);
    if (virtualSize === null) throw corrupt(file, at, `its ova.xml gives no size for disk ${vdi.id.slice(0, 60)}`);
    found.push({ ref: vdi.id, label: text(vdi.fields, "name_label").slice(0, 200) || vdi.id, virtualSize });
  }
  return found;
}

function count(digits: string, most: number): number | null {
  const value = /^\d{1,16}$/.test(digits) ? Number(digits) : 0;
  return value > 0 && value <= most ? value : null;
}

/** The value inside a `value` element; the depth is bounded by the parser. */
function valueOf(element: XmlElement): RpcValue {
  const [typed] = element.children;
  if (typed === undefined) return element.text;
  if (typed.name === "struct") {
    return new Map(
      childrenOf(typed, "member").map((member): [string, RpcValue] => {
        const [name] = childrenOf(member, "name");
        const [value] = childrenOf(member, "value");
        return [name?.text ?? "", value === undefined ? "" : valueOf(value)];
      }),
    );
  }
  if (typed.name === "array") {
    return childrenOf(typed, "data").flatMap((data) => childrenOf(data, "value").map(valueOf));
  }
  return typed.text;
}

const struct = (value: RpcValue | undefined): Struct => (value instanceof Map ? (value as Struct) : NO_FIELDS);
const list = (value: RpcValue | undefined): readonly RpcValue[] =>
  Array.isArray(value) ? (value as readonly RpcValue[]) : [];

function text(fields: Struct, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}
