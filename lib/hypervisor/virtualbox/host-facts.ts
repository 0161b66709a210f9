/** What VirtualBox tells of its host, and where it keeps its machines. */
import type { HostFacts, StoragePool } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { isEnglish, otherLanguage } from "./language.ts";
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
  if (!isEnglish(fields)) throw otherLanguage(vbox);
  const machineFolder = fields.get("Default machine folder") ?? "";
  if (machineFolder === "") {
    throw new AppError("unprocessable", "host.refused", `VirtualBox on ${vbox.machine.name} tells no machine folder.`, {
      hint: "Set one: VBoxManage setproperty machinefolder …",
    });
  }
  return { info: await parseFields(info), properties: fields, machineFolder };
}

/** Null: it runs x86 machines. VirtualBox on ARM runs ARM machines alone, and images here are of x86. */
export function whyNoX86(vbox: VBoxManage, { info, properties }: VirtualBoxHost): string | null {
  // Told since 7.1; the trial versions before it knew one kind of ARM machine.
  const told = properties.get("Supported platform architectures");
  const arm = told === undefined ? /^Apple\b/.test(info.get("Processor#0 description") ?? "") : !/\bx86\b/i.test(told);
  return arm ? `${vbox.machine.name} is an ARM machine, and VirtualBox on it runs no x86 VMs.` : null;
}

export function hostFacts(vbox: VBoxManage, host: VirtualBoxHost): HostFacts {
  const { info } = host;
  const longMode = info.get("Processor supports long mode") === "yes";
  const arch = whyNoX86(vbox, host) === null ? (longMode ? "x86_64" : null) : "aarch64";
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
    arch,
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
    whyNotWritable: there === null ? notThere(vbox, machineFolder) : null,
  };
}

function notThere({ machine }: VBoxManage, folder: string): string {
  const why = `The machine folder ${folder} is not there.`;
  // VBoxManage puts question marks, or what looks alike, for what the code page does not have.
  if (machine.os !== "windows" || !/[?\u0080-\uffff]/.test(folder)) return why;
  return `${why} If its name has letters of another language than Windows is set to, choose a folder without them.`;
}
