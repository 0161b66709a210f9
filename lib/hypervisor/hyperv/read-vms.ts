/** Reads machines: all at once, class by class, or one with the same few questions. */
import type { Vm } from "#lib/domain/inventory.ts";
import { type CimInstance, number, text, texts } from "#lib/wire/wsman/cim.ts";
import { readEmbedded } from "#lib/wire/wsman/embedded.ts";
import { CLASSES, formatOf, isMachine, mapVms, type MachineFacts, type SettingClass } from "./map-vm.ts";
import { type HypervSession, V2 } from "./session.ts";

/** Sizes of disk files, which change so seldom that asking once an hour is enough. */
export class DiskSizes {
  readonly #known = new Map<string, { size: number; at: number }>();

  async of(
    session: HypervSession,
    paths: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    for (const path of paths) {
      const key = path.toLowerCase();
      const known = this.#known.get(key);
      const size =
        known !== undefined && Date.now() - known.at < 3_600_000 ? known.size : await diskSize(session, path, signal);
      if (size === null) continue;
      if (known?.size !== size) this.#known.set(key, { size, at: Date.now() });
      sizes.set(key, size);
    }
    return sizes;
  }
}

const IMAGES = "Msvm_ImageManagementService";

/** Null: the host cannot read the file now. */
async function diskSize(session: HypervSession, path: string, signal?: AbortSignal): Promise<number | null> {
  try {
    const output = await session.invoke(
      { namespace: V2, className: IMAGES, keys: { CreationClassName: IMAGES } },
      "GetVirtualHardDiskSettingData",
      { Path: path },
      `Reading ${path}`,
      signal,
    );
    const size = Number(readEmbedded(text(output, "SettingData") ?? "<none/>")?.values.get("MaxInternalSize")?.[0]);
    return Number.isSafeInteger(size) && size > 0 ? size : null;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/** One machine's classes are asked for by its id, which stands in every InstanceID. */
export async function readVms(
  session: HypervSession,
  sizes: DiskSizes,
  networks: ReadonlyMap<string, string>,
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
    networks,
  };
  const paths = facts.settings.Msvm_StorageAllocationSettingData.flatMap((each) => texts(each, "HostResource"));
  return mapVms({
    ...facts,
    sizes: await sizes.of(
      session,
      [...new Set(paths)].filter((path) => formatOf(path) !== null),
      signal,
    ),
  });
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
