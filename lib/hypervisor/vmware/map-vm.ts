/** A VM's properties as the product's VM. What vSphere does not say is null, never a guess. */
import type { PowerState } from "#lib/domain/hardware.ts";
import type { Vm, VmSnapshot } from "#lib/domain/inventory.ts";
import { all, numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import { folderPath, type Infrastructure } from "./infrastructure.ts";
import { mapDisks, mapNics } from "./map-devices.ts";
import { shownName } from "./name.ts";
import type { ObjectValues } from "./properties.ts";
import { questionOf } from "./question.ts";

/** All that a VM is made of here; never `config` as a whole, which has hundreds of settings. */
export const VM_PATHS = [
  "name",
  "parent",
  "resourcePool",
  "snapshot",
  "runtime.powerState",
  "runtime.connectionState",
  "runtime.host",
  "runtime.bootTime",
  "runtime.question",
  "config.template",
  "config.annotation",
  "config.instanceUuid",
  "config.firmware",
  "config.bootOptions.efiSecureBootEnabled",
  "config.bootOptions.bootOrder",
  "config.keyId",
  "config.managedBy",
  "config.version",
  "config.guestFullName",
  "config.hardware.numCPU",
  "config.hardware.memoryMB",
  "config.hardware.device",
  "guest.net",
  "guest.guestFullName",
  "guest.toolsRunningStatus",
] as const;

const STATE: Readonly<Record<string, PowerState>> = {
  poweredOn: "running",
  poweredOff: "stopped",
  suspended: "suspended",
};
const TOOLS: Readonly<Record<string, string>> = {
  guestToolsRunning: "running",
  guestToolsNotRunning: "not running",
  guestToolsExecutingScripts: "starting",
};

/** Last line of the notes of a VM that Supravisor made. */
const MARK = /\n?\[supravisor:([0-9a-f-]{36})\]\s*$/;

export function annotationOf(description: string, tag: string): string {
  return `${description}\n[supravisor:${tag}]`;
}

export function mapVm({ ref, values }: ObjectValues, infra: Infrastructure): Vm {
  const text = (path: string): string | null => {
    const found = values.get(path)?.text ?? "";
    return found === "" ? null : found;
  };
  const devices = values.get("config.hardware.device")?.children ?? [];
  const state = STATE[text("runtime.powerState") ?? ""] ?? "unknown";
  const notes = text("config.annotation");
  const mark = notes === null ? null : (MARK.exec(notes)?.[1] ?? null);
  const memory = Number(text("config.hardware.memoryMB") ?? Number.NaN);
  const host = infra.hosts.get(text("runtime.host") ?? "");
  const compute = infra.computes.get(host?.parent ?? "");
  const firmware = text("config.firmware");
  const version = text("config.version");
  const name = shownName(text("name") ?? ref.id);
  const isTemplate = text("config.template") === "true";
  const manager = textAt(values.get("config.managedBy"), "extensionKey");
  return {
    kind: "vm",
    ref: ref.id,
    name,
    state,
    cpus: Number(text("config.hardware.numCPU") ?? Number.NaN) || null,
    memory: Number.isSafeInteger(memory) ? memory * 1024 ** 2 : null,
    firmware: firmware === "efi" ? "uefi" : firmware === "bios" ? "bios" : null,
    secureBoot:
      firmware === "efi"
        ? text("config.bootOptions.efiSecureBootEnabled") === "true"
        : firmware === null
          ? null
          : false,
    guestOs: text("guest.guestFullName") ?? text("config.guestFullName"),
    machine: machineOf(version, isTemplate, manager),
    description: notes === null ? null : notes.replace(MARK, "") || null,
    startedAt: state === "running" ? text("runtime.bootTime") : null,
    location: infra.isVcenter
      ? {
          folder: folderPath(infra, text("parent")),
          cluster: compute?.isCluster === true ? compute.name : null,
          node: host?.name ?? null,
        }
      : null,
    tpm: devices.length === 0 ? null : devices.some((device) => device.type === "VirtualTPM"),
    tools: TOOLS[text("guest.toolsRunningStatus") ?? ""] ?? null,
    question: questionOf(values.get("runtime.question")),
    powerBlocker: powerBlockerOf(name, isTemplate, manager),
    disks: mapDisks(devices, {
      stopped: state === "stopped",
      encrypted: values.has("config.keyId"),
      connection: text("runtime.connectionState") ?? "connected",
      bootKey: bootKeyOf(values.get("config.bootOptions.bootOrder")),
    }),
    nics: mapNics(devices, values.get("guest.net"), infra),
    snapshots: mapSnapshots(values.get("snapshot")),
    // A clone has the notes of its original, but an identity of its own.
    tag: mark !== null && mark === text("config.instanceUuid") ? mark : null,
  };
}

/** `vmx-19 template, managed by com.example.plugin` */
function machineOf(version: string | null, isTemplate: boolean, manager: string | null): string | null {
  const kind = `${version ?? ""}${isTemplate ? " template" : ""}`.trim();
  const parts = [kind, manager === null ? "" : `managed by ${manager}`].filter((part) => part !== "");
  return parts.length === 0 ? null : parts.join(", ");
}

/** vCenter's agents: whoever stops one finds it started again, and its cluster without DRS or HA meanwhile. */
const AGENT_MANAGER = "com.vmware.vim.eam";
const CLUSTER_SERVICE = /^vCLS[- (]/;

function powerBlockerOf(name: string, isTemplate: boolean, manager: string | null): string | null {
  if (isTemplate) return `${name} is a template; vSphere starts only virtual machines that are made from it.`;
  if (manager === AGENT_MANAGER || CLUSTER_SERVICE.test(name))
    return `${name} is an agent machine that vCenter starts and stops itself.`;
  return null;
}

/** Key of the disk that the firmware tries before all others; null: the order of the controllers decides. */
function bootKeyOf(order: Element | undefined): string | null {
  const device = all(order, "VirtualMachineBootOptionsBootableDevice").find(
    ({ type }) => type === "VirtualMachineBootOptionsBootableDiskDevice",
  );
  return textAt(device, "deviceKey");
}

function mapSnapshots(info: Element | undefined): VmSnapshot[] {
  const current = textAt(info, "currentSnapshot");
  const found: VmSnapshot[] = [];
  const walk = (tree: Element, parentId: string | null, depth: number): void => {
    const id = textAt(tree, "snapshot") ?? String(numberAt(tree, "id") ?? "");
    found.push({
      id,
      name: shownName(textAt(tree, "name") ?? id),
      parentId,
      createdAt: textAt(tree, "createTime"),
      state: textAt(tree, "state"),
      current: id === current,
    });
    // vSphere makes chains of 32 at most.
    if (depth < 64) for (const child of all(tree, "childSnapshotList")) walk(child, id, depth + 1);
  };
  for (const root of all(info, "rootSnapshotList")) walk(root, null, 0);
  return found;
}
