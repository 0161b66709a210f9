/** Taking away what was made, and nothing that hangs on it. */
import { setTimeout as delay } from "node:timers/promises";
import type { ResourceRef } from "../adapter.ts";
import { AppError } from "#lib/errors.ts";
import { pathsOf, samePath } from "./host-paths.ts";
import { parseMachineReadable, type MachineInfo } from "./machine-readable.ts";
import { readMedia } from "./media.ts";
import { MAX_SETTINGS_BYTES, parseSettings } from "./settings-file.ts";
import { asAppError, isBusy, isNotFound } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

/** A copy that was called off, or a VM that is stopping, lets go after a moment. */
const LET_GO_MS = 60_000;
const ONLINE = new Set(["running", "paused", "starting", "stuck", "gurumeditation", "stopping", "saving", "restoring"]);

async function untilFree(work: () => Promise<unknown>, doing: string, signal?: AbortSignal): Promise<void> {
  const until = Date.now() + LET_GO_MS;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isBusy(error) || Date.now() > until) throw asAppError(error, doing);
    }
    await delay(500, undefined, signal === undefined ? {} : { signal });
  }
}

/** The file under the path that the ledger names; VirtualBox forgets it first. Throws `disk.in-use`. */
export async function removeDisk(vbox: VBoxManage, resource: ResourceRef, signal?: AbortSignal): Promise<void> {
  const { machine } = vbox;
  const doing = `Removing ${resource.label} from ${machine.name}`;
  const media = await readMedia(vbox, { signal });
  const medium = [...media.values()].find((each) => samePath(machine.os, each.location, resource.ref));
  if (medium !== undefined) {
    const used =
      medium.usedBy ?? ([...media.values()].some((each) => each.parent === medium.uuid) ? "snapshots" : null);
    if (used !== null) {
      throw new AppError("conflict", "disk.in-use", `${doing} failed: it is used by ${used}.`, {
        hint: "Detach it there, or remove that VM, in VirtualBox first.",
      });
    }
    await untilFree(
      () => vbox.run(["closemedium", "disk", medium.uuid], { signal, harmlessTwice: true }),
      doing,
      signal,
    );
  }
  await machine.files.remove(resource.ref, signal);
}

/**
 * The VM that was made under this tag: its registration and the files that VirtualBox made for it. Its disks stay, ours
 * because the ledger names them one by one, others because nothing names them: so never `unregistervm --delete`.
 */
export async function removeVm(vbox: VBoxManage, resource: ResourceRef, signal?: AbortSignal): Promise<void> {
  const { machine } = vbox;
  const uuid = resource.ref;
  const doing = `Removing ${resource.label} from ${machine.name}`;
  let info: MachineInfo;
  try {
    info = await parseMachineReadable(
      await vbox.ask(["showvminfo", uuid, "--machinereadable"], { signal, vm: uuid }),
      signal,
    );
  } catch (error) {
    if (isNotFound(error)) return;
    throw asAppError(error, doing);
  }
  await requireOurs(vbox, info, resource, signal);
  const state = (info.get("VMState") ?? "").toLowerCase();
  if (ONLINE.has(state)) {
    await vbox.run(["controlvm", uuid, "poweroff"], { signal, vm: uuid }).catch((error: unknown) => {
      // Stopped by itself in the meantime.
      if (!isBusy(error) && !isNotFound(error) && !/is not currently running/i.test(String(error)))
        throw asAppError(error, doing);
    });
  } else if (state === "saved" || state === "aborted-saved") {
    await untilFree(() => vbox.run(["discardstate", uuid], { signal, vm: uuid }), doing, signal);
  }
  await untilFree(() => vbox.run(["unregistervm", uuid], { signal, vm: uuid, harmlessTwice: true }), doing, signal);
  await removeFiles(vbox, info, signal);
}

/** The UUID is the ledger's own; another tag in the machine would say that somebody took it over. */
async function requireOurs(
  vbox: VBoxManage,
  info: MachineInfo,
  resource: ResourceRef,
  signal?: AbortSignal,
): Promise<void> {
  const path = info.get("CfgFile");
  if (path === undefined) return;
  const text = await vbox.machine.files.readText(path, MAX_SETTINGS_BYTES, signal).catch(() => "");
  const tag = (await parseSettings(text))?.tag ?? null;
  if (tag === null || tag === resource.ref) return;
  throw new AppError("conflict", "vm.not-ours", `${resource.label} on ${vbox.machine.name} carries the tag ${tag}.`, {
    hint: "It is left as it is. Look at it in VirtualBox.",
  });
}

async function removeFiles(vbox: VBoxManage, info: MachineInfo, signal?: AbortSignal): Promise<void> {
  const { files, os } = vbox.machine;
  const paths = pathsOf(os);
  const settings = info.get("CfgFile");
  if (settings === undefined || !settings.endsWith(".vbox")) return;
  const folder = paths.dirname(settings);
  const logs = info.get("LogFldr");
  if (logs !== undefined && paths.dirname(logs) === folder) {
    const names = await files.list(logs, signal).catch(() => []);
    for (const name of names) {
      if (/^VBox[\w.-]*\.log(?:\.\d+)?$/.test(name)) await files.remove(paths.join(logs, name), signal);
    }
    await files.removeEmptyFolder(logs, signal);
  }
  const nvram = info.get("NvramFile");
  if (nvram !== undefined && paths.dirname(nvram) === folder) await files.remove(nvram, signal);
  await files.remove(`${settings}-prev`, signal);
  await files.remove(settings, signal);
  await files.removeEmptyFolder(paths.join(folder, "Snapshots"), signal);
  await files.removeEmptyFolder(folder, signal);
}
