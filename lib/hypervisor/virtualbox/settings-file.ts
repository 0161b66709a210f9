/** A machine's settings file (`.vbox`): snapshots and extra data, which VBoxManage tells only one by one or without their times. */
import { XMLParser } from "fast-xml-parser";
import type { VmSnapshot } from "#lib/domain/inventory.ts";

/** Most bytes of a settings file that is read: one with thousands of snapshots stays below. */
export const MAX_SETTINGS_BYTES = 16 * 1024 ** 2;
/** Extra data item that holds the tag of a VM that Supravisor made. It is set last: a VM without it is not finished. */
export const TAG_KEY = "supravisor/tag";
const DEEPEST = 1000;

export interface MachineSettings {
  readonly tag: string | null;
  readonly snapshots: readonly VmSnapshot[];
}

type Node = { readonly [name: string]: unknown };

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name) => name === "Snapshot" || name === "ExtraDataItem",
  processEntities: { enabled: true, maxTotalExpansions: 1_000_000, maxExpandedLength: MAX_SETTINGS_BYTES },
  htmlEntities: true,
  maxNestedTags: 2 * DEEPEST + 10,
});

const child = (node: unknown, name: string): unknown =>
  typeof node === "object" && node !== null ? (node as Node)[name] : undefined;
const list = (node: unknown): readonly unknown[] => (Array.isArray(node) ? node : []);
const text = (node: unknown, name: string): string | null => {
  const found = child(node, name);
  return typeof found === "string" ? found : null;
};
const plainUuid = (braced: string | null): string | null => braced?.replaceAll(/[{}]/g, "").toLowerCase() ?? null;

/** Null: the file is encrypted, damaged, or none of a machine. */
export function parseSettings(xml: string): MachineSettings | null {
  let root: unknown;
  try {
    root = parser.parse(xml);
  } catch {
    return null;
  }
  const machine = child(child(root, "VirtualBox"), "Machine");
  if (machine === undefined) return null;
  const current = plainUuid(text(machine, "@currentSnapshot"));
  const snapshots: VmSnapshot[] = [];
  const walk = (nodes: readonly unknown[], parentId: string | null, depth: number): void => {
    for (const node of nodes) {
      const id = plainUuid(text(node, "@uuid"));
      if (id === null || depth > DEEPEST) continue;
      const time = Date.parse(text(node, "@timeStamp") ?? "");
      snapshots.push({
        id,
        name: text(node, "@name") ?? id,
        parentId,
        createdAt: Number.isNaN(time) ? null : new Date(time).toISOString(),
        state: text(node, "@stateFile") === null ? "powered off" : "running",
        current: id === current,
      });
      walk(list(child(child(node, "Snapshots"), "Snapshot")), id, depth + 1);
    }
  };
  walk(list(child(machine, "Snapshot")), null, 0);
  const items = list(child(child(machine, "ExtraData"), "ExtraDataItem"));
  const tag = items.find((item) => text(item, "@name") === TAG_KEY);
  return { tag: text(tag, "@value"), snapshots };
}
