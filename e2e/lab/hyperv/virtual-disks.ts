/** Msvm_ImageManagementService: what is in a disk file, read by qemu-img. */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { embedded } from "./embedded.ts";
import type { Method, MethodArguments } from "./enumerations.ts";
import type { Jail } from "./jail.ts";
import { type Jobs, Refusal } from "./jobs.ts";

/** Differencing disk, in lower case → its parent: qemu-img reads none of these, so whoever plants one tells. */
export type Parents = Map<string, string>;

export function virtualDiskMethods(jail: Jail, jobs: Jobs, parents: Parents): ReadonlyMap<string, Method> {
  return new Map<string, Method>([
    [
      "Msvm_ImageManagementService.GetVirtualHardDiskSettingData",
      async (_service, input) => settings(jail, parents, input),
    ],
    ["Msvm_ImageManagementService.GetVirtualHardDiskState", async (_service, input) => state(jail, input)],
    ["Msvm_ImageManagementService.ConvertVirtualHardDisk", async (_service, input) => convert(jail, jobs, input)],
  ]);
}

/** The chain of this host's checkpoints is whole in its last file. */
function convert(jail: Jail, jobs: Jobs, input: MethodArguments) {
  const from = String(input.get("SourcePath")?.[0] ?? "");
  const [wanted] = embedded(input, "VirtualDiskSettingData");
  const to = wanted?.values.get("Path")?.[0] ?? "";
  const [source, target] = [jail.local(from), jail.local(to)];
  if (source === null || target === null || !jail.exists(from))
    throw new Refusal(32768, "The system cannot find the file specified.");
  if (jail.exists(to)) throw new Refusal(32768, "The file exists. (0x80070050).");
  return jobs.start("ConvertVirtualHardDisk", () => {
    execFileSync("qemu-img", ["convert", "-U", "-f", "vhdx", "-O", "vhdx", source, target]);
  });
}

const property = (name: string, type: string, value: string | number) =>
  xml`<PROPERTY NAME="${name}" TYPE="${type}"><VALUE>${value}</VALUE></PROPERTY>`;

function state(jail: Jail, input: MethodArguments) {
  const local = jail.local(String(input.get("Path")?.[0] ?? ""));
  if (local === null || !existsSync(local)) throw new Refusal(32768, "The system cannot find the file specified.");
  const text = xml`<INSTANCE CLASSNAME="Msvm_VirtualHardDiskState">${property("FileSize", "uint64", statSync(local).size)}${property("InUse", "boolean", "False")}</INSTANCE>`;
  return { State: text.text, Job: null, ReturnValue: 0 };
}

function settings(jail: Jail, parents: Parents, input: MethodArguments) {
  const path = String(input.get("Path")?.[0] ?? "");
  const local = jail.local(path);
  if (local === null || !jail.exists(path)) throw new Refusal(32768, "The system cannot find the file specified.");
  const parent = parents.get(path.toLowerCase()) ?? null;
  let base = path;
  for (let next = parent; next !== null; next = parents.get(next.toLowerCase()) ?? null) base = next;
  const vhd = /\.vhd$/i.test(path);
  let size: number;
  try {
    const info = JSON.parse(
      execFileSync("qemu-img", ["info", "-U", "--output=json", "-f", vhd ? "vpc" : "vhdx", jail.local(base) ?? local], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }),
    ) as { "virtual-size": number };
    size = info["virtual-size"];
  } catch {
    throw new Refusal(32768, "The file or directory is corrupted and unreadable. (0x80070570).");
  }
  const text = xml`<INSTANCE CLASSNAME="Msvm_VirtualHardDiskSettingData">${property("Path", "string", path)}${property("Type", "uint16", parent === null ? 3 : 4)}${property("Format", "uint16", vhd ? 2 : 3)}${property("MaxInternalSize", "uint64", size)}${parent === null ? null : property("ParentPath", "string", parent)}${property("BlockSize", "uint32", 33_554_432)}${property("LogicalSectorSize", "uint32", 512)}</INSTANCE>`;
  return { SettingData: text.text, Job: null, ReturnValue: 0 };
}
