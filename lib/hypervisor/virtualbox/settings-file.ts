/** A machine's settings file (`.vbox`): snapshots and extra data, which VBoxManage tells only one by one or without their times. */
import type { VmSnapshot } from "#lib/domain/inventory.ts";
import { all, at, type Element } from "#lib/wire/soap/element.ts";
import { parseXmlInSlices } from "#lib/wire/soap/xml-reader.ts";

/** Most bytes of a settings file that is read: one with thousands of snapshots stays below. */
export const MAX_SETTINGS_BYTES = 16 * 1024 ** 2;
/** Extra data item that holds the tag of a VM that Supravisor made. It is set last: a VM without it is not finished. */
export const TAG_KEY = "supravisor/tag";
const DEEPEST = 1000;
const MOST_SNAPSHOTS = 20_000;

export interface MachineSettings {
  readonly tag: string | null;
  readonly snapshots: readonly VmSnapshot[];
}

const list = (element: Element | undefined, ...path: string[]): readonly Element[] => {
  const name = path.at(-1) ?? "";
  return all(at(element, ...path.slice(0, -1)), name);
};
const attribute = (element: Element | undefined, name: string): string | null => element?.attributes?.[name] ?? null;
const plainUuid = (braced: string | null): string | null => braced?.replaceAll(/[{}]/g, "").toLowerCase() ?? null;

/** Null: the file is encrypted, damaged, or none of a machine. */
export async function parseSettings(text: string): Promise<MachineSettings | null> {
  let root: Element;
  try {
    root = await parseXmlInSlices(text, { limits: { depth: 2 * DEEPEST + 10 } });
  } catch {
    return null;
  }
  const machine = root.name === "VirtualBox" ? at(root, "Machine") : undefined;
  if (machine === undefined) return null;
  const current = plainUuid(attribute(machine, "currentSnapshot"));
  const snapshots: VmSnapshot[] = [];
  const walk = (elements: readonly Element[], parentId: string | null, depth: number): void => {
    for (const element of elements) {
      const id = plainUuid(attribute(element, "uuid"));
      if (id === null || depth > DEEPEST || snapshots.length >= MOST_SNAPSHOTS) continue;
      const time = Date.parse(attribute(element, "timeStamp") ?? "");
      snapshots.push({
        id,
        name: attribute(element, "name") ?? id,
        parentId,
        createdAt: Number.isNaN(time) ? null : new Date(time).toISOString(),
        state: attribute(element, "stateFile") === null ? "powered off" : "running",
        current: id === current,
      });
      walk(list(element, "Snapshots", "Snapshot"), id, depth + 1);
    }
  };
  walk(list(machine, "Snapshot"), null, 0);
  const tag = list(machine, "ExtraData", "ExtraDataItem").find((item) => attribute(item, "name") === TAG_KEY);
  return { tag: attribute(tag, "value"), snapshots };
}
