/** What VirtualBox tells of its host, and where it keeps its machines. */
import type { HostFacts, StoragePool } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { parseFields, sizeOf, type Listed } from "./records.ts";
import type { VBoxManage } from "./vboxmanage.ts";

export interface VirtualBoxHost {
  readonly info: Listed;
  readonly properties: Listed;
  /** Where new machines and disks go. */
  readonly machineFolder: string;
}

export async function readHost(vbox: VBoxManage, signal?: AbortSignal): Promise<VirtualBoxHost> {
  const [info, properties] = await Promise.all([
    vbox.ask(["list", "hostinfo"], { signal }),
    vbox.ask(["list", "systemproperties"], { signal }),
  ]);
  const fields = await parseFields(properties);
  const machineFolder = fields.get("Default machine folder") ?? "";
  if (machineFolder === "") {
    throw new AppError("unprocessable", "host.refused", `VirtualBox on ${vbox.machine.name} tells no machine folder.`, {
      hint: "Set one: VBoxManage setproperty machinefolder …",
    });
  }
  return { info: await parseFields(info), properties: fields, machineFolder };
}

export function hostFacts(vbox: VBoxManage, { info }: VirtualBoxHost): HostFacts {
  const longMode = info.get("Processor supports long mode") === "yes";
  const model = info.get("Processor#0 description") ?? "";
  const system = [info.get("Operating system"), info.get("Operating system version")].filter(Boolean).join(" ");
  return {
    kind: "host",
    ref: "virtualbox",
    name: vbox.machine.name,
    product: system === "" ? "VirtualBox" : `VirtualBox on ${system}`,
    version: vbox.version.text,
    cpus: Number(info.get("Processor online count")) || null,
    cpuModel: model === "" ? null : model,
    arch: longMode ? "x86_64" : null,
    memory: sizeOf(info.get("Memory size")),
    memoryFree: sizeOf(info.get("Memory available")),
  };
}

/** The machine folder is the one place for new disks. VirtualBox makes it with its first machine. */
export async function readPool(
  vbox: VBoxManage,
  { machineFolder }: VirtualBoxHost,
  signal?: AbortSignal,
): Promise<StoragePool> {
  const { files } = vbox.machine;
  const there = await files.stat(machineFolder, signal).catch(() => null);
  const space = there === null ? null : await files.space(machineFolder, signal).catch(() => null);
  return {
    kind: "pool",
    ref: machineFolder,
    name: "Machine folder",
    type: "dir",
    capacity: space?.capacity ?? null,
    free: space?.free ?? null,
    path: machineFolder,
    active: there !== null,
    writable: there !== null,
    whyNotWritable: there === null ? `The machine folder ${machineFolder} is not there.` : null,
  };
}
