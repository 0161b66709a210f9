/** What the firmware starts with: the disks in their order, before a network or a drive for CDs. */
import { type CimRef, text, texts } from "#lib/wire/wsman/cim.ts";
import { objectPath, readObjectPath } from "#lib/wire/wsman/object-path.ts";
import { configurationOf, type NewMachine, SERVICE } from "./new-machine.ts";
import { V2 } from "../session.ts";
import { setting } from "../setting.ts";

/** Generation 1 knows kinds only: hard disk, CD, network, floppy. Source: Msvm_VirtualSystemSettingData, BootOrder. */
const KINDS = [2, 1, 3, 0];
const SOURCE = "Msvm_BootSourceSettingData";

const idIn = (path: string): string => (readObjectPath(path)?.keys["InstanceID"] ?? path).toLowerCase();

/** `drives`: as the disks stand in the machine's wish. */
export async function setBootOrder(machine: NewMachine, id: string, drives: readonly CimRef[]): Promise<void> {
  const { session, spec, signal } = machine;
  const doing = `Setting the boot order of ${spec.name}`;
  const order =
    spec.firmware === "uefi" ? { BootSourceOrder: await sources(machine, id, drives, doing) } : { BootOrder: KINDS };
  if (order.BootSourceOrder?.length === 0) return;
  await session.invoke(
    SERVICE,
    "ModifySystemSettings",
    {
      SystemSettings: setting("Msvm_VirtualSystemSettingData", {
        InstanceID: configurationOf(id).keys["InstanceID"] ?? "",
        ...order,
      }),
    },
    doing,
    signal,
  );
}

/** Paths of boot sources, the disks' first. A device's source has the device's own name and `\\B` behind it. */
async function sources(
  { session, computerName, signal }: NewMachine,
  id: string,
  drives: readonly CimRef[],
  doing: string,
): Promise<string[]> {
  const wql = (className: string) => `SELECT * FROM ${className} WHERE InstanceID LIKE 'Microsoft:${id}%'`;
  const [settings] = await session.query(V2, wql("Msvm_VirtualSystemSettingData"), doing, signal);
  const known = await session.query(V2, wql(SOURCE), doing, signal);
  const ids = new Map(known.map((each) => [(text(each, "InstanceID") ?? "").toLowerCase(), text(each, "InstanceID")]));
  const first = drives
    .map((drive) => `${drive.keys["InstanceID"] ?? ""}\\B`.toLowerCase())
    .filter((source) => ids.has(source));
  if (first.length === 0) return [];
  // The host tells the order in another spelling than it takes: sources are put by their names.
  const told = texts(settings, "BootSourceOrder").map(idIn);
  const places = new Map(told.map((source, at) => [source, at] as const).reverse());
  const place = (source: string): number => places.get(source) ?? told.length;
  const own = new Set(first);
  const rest = [...ids.keys()].filter((source) => !own.has(source)).sort((a, b) => place(a) - place(b));
  return [...first, ...rest].map((source) =>
    objectPath(computerName, { namespace: V2, className: SOURCE, keys: { InstanceID: ids.get(source) ?? source } }),
  );
}
