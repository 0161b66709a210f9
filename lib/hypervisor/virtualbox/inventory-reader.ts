/** What a VirtualBox host holds, read again only where it changed. */
import type { InventoryItem, Vm } from "#lib/domain/inventory.ts";
import { MAX_OUTPUT } from "./host-machine.ts";
import { hostFacts, readPool, type VirtualBoxHost } from "./host-facts.ts";
import { isWhole, parseMachineReadable, type MachineInfo } from "./machine-readable.ts";
import { mapVm } from "./map-vm.ts";
import { readMedia, type Media } from "./media.ts";
import { readNetworks } from "./networks.ts";
import { parseRecords, parseVmList } from "./records.ts";
import { MAX_SETTINGS_BYTES, parseSettings, type MachineSettings } from "./settings-file.ts";
import { isNotFound } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

/** VMs that are read side by side. */
const SIDE_BY_SIDE = 4;

/** `all`: each is read. `thorough`: those that run or show a change. `quick`: those that show a change. */
export type Look = "all" | "thorough" | "quick";

interface Known {
  /** Changes when the settings file, the name or the VM's being online does. Taken before the VM was read. */
  readonly key: string;
  readonly settingsFile: string | null;
  readonly reading: MachineReading;
  readonly vm: Vm;
  /** Times are told in whole seconds by some hosts: what changed is read once more, for a change in the same second. */
  readonly again: boolean;
}

export interface MachineReading {
  readonly info: MachineInfo;
  readonly settings: MachineSettings | null;
}

export class InventoryReader {
  readonly #vbox: VBoxManage;
  readonly #known = new Map<string, Known>();

  constructor(vbox: VBoxManage) {
    this.#vbox = vbox;
  }

  /** Null: there is no such VM. */
  async machine(uuid: string, signal?: AbortSignal): Promise<MachineReading | null> {
    try {
      const text = await this.#vbox.askWhole(["showvminfo", uuid, "--machinereadable"], isWhole, { signal, vm: uuid });
      const info = await parseMachineReadable(text, signal);
      return { info, settings: await this.#settings(info.get("CfgFile"), signal) };
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  async #settings(path: string | undefined, signal?: AbortSignal): Promise<MachineSettings | null> {
    if (path === undefined) return null;
    try {
      return await parseSettings(await this.#vbox.machine.files.readText(path, MAX_SETTINGS_BYTES, signal));
    } catch (error) {
      if (signal?.aborted === true) throw error;
      // Another account's file, or one that is being replaced: the machine is shown without what only the file tells.
      return null;
    }
  }

  vmOf(uuid: string, name: string | null, reading: MachineReading, media: Media, host: VirtualBoxHost): Vm {
    return mapVm({ uuid, listedName: name, ...reading, media, poolRef: host.machineFolder });
  }

  async *others(host: VirtualBoxHost, signal?: AbortSignal): AsyncIterable<InventoryItem> {
    yield hostFacts(this.#vbox, host);
    yield await readPool(this.#vbox, host, signal);
    yield* await readNetworks(this.#vbox, signal);
  }

  /** All VMs. One that vanishes while it is read is left out. */
  async vms(host: VirtualBoxHost, look: Look, signal?: AbortSignal): Promise<Vm[]> {
    const [all, online] = await Promise.all([
      this.#vbox.ask(["list", "vms"], { signal }).then((text) => parseVmList(text, signal)),
      this.#vbox.ask(["list", "runningvms"], { signal }).then((text) => parseVmList(text, signal)),
    ]);
    for (const uuid of this.#known.keys()) if (!all.has(uuid)) this.#known.delete(uuid);
    const files = await this.#settingsFiles(all, signal);
    let media: Promise<Media> | null = null;
    const freshMedia = (): Promise<Media> => (media ??= readMedia(this.#vbox, { signal }));
    const found = new Map<string, Vm>();
    const waiting = all.entries();
    const work = async (): Promise<void> => {
      // All take from the same one.
      for (const [uuid, name] of waiting) {
        const before = this.#known.get(uuid);
        const settingsFile = files.get(uuid) ?? null;
        const key = await this.#key(settingsFile, name, online.has(uuid), signal);
        const changed = before?.key !== key;
        let reading: MachineReading | null = null;
        if (before !== undefined && !changed && !before.again && look !== "all") {
          if (look === "quick") {
            found.set(uuid, before.vm);
            continue;
          }
          if (!online.has(uuid)) reading = before.reading;
        }
        reading ??= await this.machine(uuid, signal);
        if (reading === null) continue;
        const vm = this.vmOf(uuid, name, reading, await freshMedia(), host);
        found.set(uuid, vm);
        this.#known.set(uuid, { key, settingsFile, reading, vm, again: changed && look === "quick" });
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    return [...all.keys()].flatMap((uuid) => found.get(uuid) ?? []);
  }

  /** Paths by UUID; those of VMs that were not seen before come from one question for all. */
  async #settingsFiles(all: ReadonlyMap<string, string>, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const files = new Map<string, string>();
    for (const [uuid, { settingsFile }] of this.#known) if (settingsFile !== null) files.set(uuid, settingsFile);
    if ([...all.keys()].every((uuid) => this.#known.has(uuid))) return files;
    const text = await this.#vbox.ask(["list", "--long", "vms"], { signal, maxBytes: MAX_OUTPUT });
    for (const record of await parseRecords(text, "Name")) {
      const [uuid, file] = [record.get("UUID"), record.get("Config file")];
      if (uuid !== undefined && file !== undefined && all.has(uuid)) files.set(uuid, file);
    }
    return files;
  }

  async #key(path: string | null, name: string, online: boolean, signal?: AbortSignal): Promise<string> {
    const file = path === null ? null : await this.#vbox.machine.files.stat(path, signal).catch(() => null);
    return `${name}\0${online}\0${path ?? ""}\0${file?.mtime ?? ""}\0${file?.size ?? ""}`;
  }
}
