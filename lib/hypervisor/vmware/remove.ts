/** Takes away what Supravisor made, and only that: what the VM's own settings say it is. */
import { setTimeout as delay } from "node:timers/promises";
import { all, at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { findCarrier } from "./carrier.ts";
import { removal } from "./device-spec.ts";
import { deleteDisk } from "./disk-files.ts";
import { findVm, SETTING, settingsOf } from "./find-vm.ts";
import { datacenterOfVm, type Infrastructure } from "./infrastructure.ts";
import { propertiesOf } from "./properties.ts";
import { refOf, type Ref } from "./ref.ts";
import { runTask } from "./task.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault } from "./vim-fault.ts";

/** An upload that was just broken off holds its VM for a moment. */
const BUSY_MS = 20_000;

export function findByTag(client: VimClient, tag: string, options: CallOptions): Promise<Ref | null> {
  return findVm(client, { key: SETTING.tag, value: tag, uuid: tag, hint: tag }, options);
}

export async function removeDisk(
  client: VimClient,
  infra: Infrastructure,
  resource: string,
  options: CallOptions,
): Promise<void> {
  const carrier = await findCarrier(client, resource, options);
  if (carrier !== null) await destroy(client, infra, carrier, options);
}

export async function removeVm(
  client: VimClient,
  infra: Infrastructure,
  tag: string,
  options: CallOptions,
): Promise<void> {
  const vm = await findByTag(client, tag, options);
  if (vm !== null) await destroy(client, infra, vm, options);
}

async function destroy(client: VimClient, infra: Infrastructure, vm: Ref, options: CallOptions): Promise<void> {
  const until = Date.now() + BUSY_MS;
  for (;;) {
    try {
      await destroyOnce(client, infra, vm, options);
      return;
    } catch (error) {
      if (isFault(error, "ManagedObjectNotFound")) return;
      if (!isFault(error, "TaskInProgress", "InvalidState", "FileLocked", "ResourceInUse") || Date.now() > until)
        throw error;
    }
    await delay(500, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

async function destroyOnce(client: VimClient, infra: Infrastructure, vm: Ref, options: CallOptions): Promise<void> {
  const settings = await settingsOf(client, vm, options);
  if (settings === null) return;
  const now = await propertiesOf(
    client,
    vm,
    ["runtime.powerState", "parent", "resourcePool", "config.hardware.device"],
    options,
  );
  if (now.get("runtime.powerState")?.text !== "poweredOff") {
    try {
      await runTask(client, "PowerOffVM_Task", vm, xml``, options);
    } catch (error) {
      // Somebody has stopped it meanwhile.
      if (!isFault(error, "InvalidPowerState")) throw error;
    }
  }
  const center = datacenterOfVm(infra, {
    parent: refOf(now.get("parent")),
    resourcePool: refOf(now.get("resourcePool")),
  });
  const files = filesOf(settings);
  // Disks that somebody hung in later are not ours to destroy. A carrier's one disk is.
  if (settings.has(SETTING.tag)) {
    const strange = all(now.get("config.hardware.device"), "VirtualDevice").filter(
      (device) => device.type === "VirtualDisk" && !chainOf(device).some((file) => files.includes(file)),
    );
    if (strange.length > 0) {
      const changes = strange.map((disk) =>
        removal("VirtualDisk", textAt(disk, "key") ?? "", {
          controllerKey: textAt(disk, "controllerKey"),
          unit: textAt(disk, "unitNumber"),
        }),
      );
      await runTask(client, "ReconfigVM_Task", vm, xml`<spec>${changes}</spec>`, options);
    }
  }
  await runTask(client, "Destroy_Task", vm, xml``, options);
  // A disk that was between two VMs when the work broke off went with neither.
  if (center !== null) for (const file of files) await deleteDisk(client, file, center, options);
}

/** The disk's file and those that it was a snapshot of. */
function chainOf(disk: Element): string[] {
  const files: string[] = [];
  let backing = at(disk, "backing");
  for (let depth = 0; backing !== undefined && depth < 64; depth += 1) {
    files.push(textAt(backing, "fileName") ?? "");
    backing = at(backing, "parent");
  }
  return files;
}

function filesOf(settings: ReadonlyMap<string, string>): readonly string[] {
  try {
    const files: unknown = JSON.parse(settings.get(SETTING.files) ?? "[]");
    return Array.isArray(files) ? files.filter((file): file is string => typeof file === "string") : [];
  } catch {
    return [];
  }
}
