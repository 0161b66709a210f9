/** Reads machines: all at once, class by class, or one with the same few questions. */
import type { Vm } from "#lib/domain/inventory.ts";
import { type CimInstance, number, text, texts } from "#lib/wire/wsman/cim.ts";
import type { DiskSizes } from "./disk-sizes.ts";
import { CLASSES, type MachineFacts, type SettingClass } from "./machine-facts.ts";
import { formatOf, isMachine, mapVms } from "./map-vm.ts";
import { type HypervSession, V2 } from "./session.ts";

/** One machine's classes are asked for by its id, which stands in every InstanceID. */
export async function readVms(
  session: HypervSession,
  sizes: DiskSizes,
  names: Pick<MachineFacts, "networks" | "cluster">,
  id: string | null,
  signal?: AbortSignal,
): Promise<Vm[]> {
  const doing = id === null ? "Reading the VMs" : `Reading the VM ${id}`;
  const quoted = id === null ? null : id.replaceAll(/[^0-9A-Za-z-]/g, "");
  const where = (clause: string): string => (quoted === null ? "" : ` WHERE ${clause}`);
  const ask = (className: string, clause: string): Promise<CimInstance[]> =>
    session.query(V2, `SELECT * FROM ${className}${where(clause)}`, doing, signal);
  const machines = (await ask("Msvm_ComputerSystem", `Name = '${quoted}'`)).filter(isMachine);
  if (machines.length === 0) return [];
  const settings: Partial<Record<SettingClass, readonly CimInstance[]>> = {};
  for (const className of CLASSES) {
    settings[className] = await ask(
      className,
      className === "Msvm_VirtualSystemSettingData"
        ? `VirtualSystemIdentifier = '${quoted}'`
        : `InstanceID LIKE 'Microsoft:${quoted}%'`,
    );
  }
  const facts: Omit<MachineFacts, "sizes"> = {
    machines,
    settings: settings as MachineFacts["settings"],
    exchange: await ask("Msvm_KvpExchangeComponent", `SystemName = '${quoted}'`),
    addresses: await ask("Msvm_GuestNetworkAdapterConfiguration", `InstanceID LIKE '%${quoted}%'`),
    heartbeats: await ask("Msvm_HeartbeatComponent", `SystemName = '${quoted}'`),
    ...names,
  };
  const paths = facts.settings.Msvm_StorageAllocationSettingData.flatMap((each) => texts(each, "HostResource"));
  const known = await sizes.of(
    session,
    [...new Set(paths)].filter((path) => formatOf(path) !== null),
    signal,
  );
  const vms: Vm[] = [];
  for await (const vm of mapVms({ ...facts, sizes: known }, signal)) vms.push(vm);
  return vms;
}

/** What shows that a machine has changed, by its id. */
export async function readStamps(session: HypervSession, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const found = await session.query(
    V2,
    "SELECT Name, ElementName, EnabledState, TimeOfLastStateChange, TimeOfLastConfigurationChange FROM Msvm_ComputerSystem",
    "Looking for changes",
    signal,
  );
  return new Map(
    found
      .filter(isMachine)
      .map((each) => [
        text(each, "Name") ?? "",
        [
          text(each, "ElementName"),
          number(each, "EnabledState"),
          text(each, "TimeOfLastStateChange"),
          text(each, "TimeOfLastConfigurationChange"),
        ].join("\0"),
      ]),
  );
}
