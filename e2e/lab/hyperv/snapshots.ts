/** Msvm_VirtualSystemSnapshotService: checkpoints with differencing disks of their own, merged when they go. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Instance } from "./cim-store.ts";
import { embedded } from "./embedded.ts";
import type { Method, MethodArguments } from "./enumerations.ts";
import { Refusal } from "./jobs.ts";
import { HOST, type Machines, now, REALIZED, SNAPSHOT } from "./machines.ts";

/** ConsistencyLevel. */
const CRASH_CONSISTENT = 2;

export class Snapshots {
  readonly #machines: Machines;
  /** Names of machines of which no checkpoint can be made, and why. */
  readonly refusing = new Map<string, string>();
  /** Names of machines whose guests cannot bring their disks to rest, and why. */
  readonly restless = new Map<string, string>();

  constructor(machines: Machines) {
    this.#machines = machines;
    machines.checkpoint = (id, name) => this.#freeze(id, name);
  }

  methods(): ReadonlyMap<string, Method> {
    const service = "Msvm_VirtualSystemSnapshotService";
    return new Map<string, Method>([
      [`${service}.CreateSnapshot`, async (_service, input) => this.#create(input)],
      [`${service}.DestroySnapshot`, async (_service, input) => this.#destroy(input)],
    ]);
  }

  /** A checkpoint that a person makes. */
  async take(id: string, name: string): Promise<void> {
    const known = new Set(this.#machines.store.all("Msvm_VirtualSystemSettingData"));
    const input = new Map([
      ["AffectedSystem", [{ namespace: "", className: "Msvm_ComputerSystem", keys: { Name: id } }]],
    ]);
    this.#create(input);
    for (;;) {
      await delay(20);
      const made = this.#machines.store.all("Msvm_VirtualSystemSettingData").find((each) => !known.has(each));
      if (made === undefined) continue;
      made.values["ElementName"] = name;
      return;
    }
  }

  #disks(instanceId: string): readonly Instance[] {
    const { store } = this.#machines;
    return store.where("Msvm_StorageAllocationSettingData", (values) =>
      String(values["InstanceID"]).startsWith(`${instanceId}\\`),
    );
  }

  #create(input: MethodArguments) {
    const { store, jobs } = this.#machines;
    const target = input.get("AffectedSystem")?.[0];
    const id = typeof target === "object" ? (target.keys["Name"] ?? "") : "";
    const machine = this.#machines.machine(id);
    const [current] = store.where(
      "Msvm_VirtualSystemSettingData",
      (values) => values["VirtualSystemIdentifier"] === id && values["VirtualSystemType"] === REALIZED,
    );
    if (machine === undefined || current === undefined) throw new Refusal(32773, "There is no such virtual machine.");
    const [settings] = embedded(input, "SnapshotSettings");
    const consistent = settings?.values.get("ConsistencyLevel")?.[0] !== String(CRASH_CONSISTENT);
    const owner = String(machine.values["ElementName"]);
    return jobs.start("CreateSnapshot", () => {
      const why = this.refusing.get(owner) ?? (consistent ? this.restless.get(owner) : undefined);
      if (why !== undefined) throw new Error(why);
      this.#freeze(id, `${owner} - (${now()})`);
    });
  }

  #freeze(id: string, name: string): void {
    const { store } = this.#machines;
    const [current] = store.where(
      "Msvm_VirtualSystemSettingData",
      (values) => values["VirtualSystemIdentifier"] === id && values["VirtualSystemType"] === REALIZED,
    );
    if (current === undefined) return;
    const snapshotId = randomUUID().toUpperCase();
    const before = current.values["Parent"];
    const snapshot = store.add("Msvm_VirtualSystemSettingData", {
      ...current.values,
      InstanceID: `Microsoft:${snapshotId}`,
      Caption: "Virtual Machine Checkpoint",
      ElementName: name,
      VirtualSystemType: SNAPSHOT,
      CreationTime: now(),
      Parent: before ?? null,
    });
    current.values["Parent"] = store.path(HOST, snapshot);
    for (const disk of this.#disks(`Microsoft:${id}`)) {
      const path = (disk.values["HostResource"] as readonly string[])[0] ?? "";
      store.add("Msvm_StorageAllocationSettingData", {
        ...disk.values,
        InstanceID: String(disk.values["InstanceID"]).replace(id, snapshotId),
        HostResource: [path],
      });
      disk.values["HostResource"] = [this.#child(path)];
    }
    this.#machines.touch(id);
  }

  /** No tool here writes a differencing VHDX: the machine's new writes go to a copy, which the checkpoint's disk does not see. */
  #child(path: string): string {
    const child = path.replace(/\.a?vhdx?$/i, `_${randomUUID().toUpperCase()}.avhdx`);
    const [from, to] = [this.#machines.jail.local(path), this.#machines.jail.local(child)];
    if (from === null || to === null) throw new Error("The file is not there.");
    execFileSync("cp", ["--reflink=auto", "--sparse=always", from, to]);
    return child;
  }

  #destroy(input: MethodArguments) {
    const { store, jobs, jail } = this.#machines;
    const target = input.get("AffectedSnapshot")?.[0];
    const instanceId = typeof target === "object" ? (target.keys["InstanceID"] ?? "") : "";
    const [snapshot] = store.where(
      "Msvm_VirtualSystemSettingData",
      (values) => values["InstanceID"] === instanceId && values["VirtualSystemType"] === SNAPSHOT,
    );
    if (snapshot === undefined) throw new Refusal(32773, "There is no such checkpoint.");
    const id = String(snapshot.values["VirtualSystemIdentifier"]);
    return jobs.start("DestroySnapshot", () => {
      for (const disk of this.#disks(instanceId)) {
        const path = (disk.values["HostResource"] as readonly string[])[0] ?? "";
        const own = String(disk.values["InstanceID"]).replace(instanceId, `Microsoft:${id}`);
        const [live] = store.where("Msvm_StorageAllocationSettingData", (values) => values["InstanceID"] === own);
        const child = (live?.values["HostResource"] as readonly string[] | undefined)?.[0];
        const [from, to] = [child === undefined ? null : jail.local(child), jail.local(path)];
        if (live !== undefined && from !== null && to !== null) {
          execFileSync("cp", ["--sparse=always", from, to]);
          rmSync(from, { force: true });
          live.values["HostResource"] = [path];
        }
        store.remove(disk);
      }
      for (const each of store.where(
        "Msvm_VirtualSystemSettingData",
        (values) => values["Parent"] === store.path(HOST, snapshot),
      )) {
        each.values["Parent"] = snapshot.values["Parent"] ?? null;
      }
      store.remove(snapshot);
      this.#machines.touch(id);
    });
  }
}
