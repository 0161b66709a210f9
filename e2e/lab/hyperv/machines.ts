/** Msvm_VirtualSystemManagementService and Msvm_ComputerSystem: what makes, changes and removes virtual machines. */
import { randomUUID } from "node:crypto";

import type { EmbeddedInstance } from "#lib/wire/wsman/embedded.ts";
import { readObjectPath } from "#lib/wire/wsman/object-path.ts";
import type { CimStore, Instance } from "./cim-store.ts";
import { CLASSES, type ClassName } from "./classes.ts";
import { embedded } from "./embedded.ts";
import type { Method, MethodArguments } from "./enumerations.ts";
import type { Jail } from "./jail.ts";
import { type Jobs, Refusal } from "./jobs.ts";

export const HOST = "HV-LAB";
export const REALIZED = "Microsoft:Hyper-V:System:Realized";
export const SNAPSHOT = "Microsoft:Hyper-V:Snapshot:Realized";

const STATE = { on: 2, off: 3, saved: 6, paused: 9 } as const;
const INVALID_STATE = 32775;
const INVALID_PARAMETER = 32773;
const CASES: Readonly<Record<string, string>> = {
  ide: "Microsoft:Hyper-V:Emulated IDE Controller",
  scsi: "Microsoft:Hyper-V:Synthetic SCSI Controller",
};

export const now = (): string => new Date().toISOString();

const one = (instance: EmbeddedInstance | undefined, name: string): string | null =>
  instance?.values.get(name)?.[0] ?? null;

export class Machines {
  readonly store: CimStore;
  readonly jobs: Jobs;
  readonly jail: Jail;
  /** Methods that make something answer with a job alone, and do not name what it makes. */
  untold = false;
  /** Of machines that make checkpoints of their own. */
  checkpoint: ((id: string, name: string) => void) | null = null;

  constructor(store: CimStore, jobs: Jobs, jail: Jail) {
    this.store = store;
    this.jobs = jobs;
    this.jail = jail;
  }

  /** `Class.Method`. */
  methods(): ReadonlyMap<string, Method> {
    const service = "Msvm_VirtualSystemManagementService";
    return new Map<string, Method>([
      [`${service}.DefineSystem`, async (_service, input) => this.#define(input)],
      [`${service}.DestroySystem`, async (_service, input) => this.#destroy(input)],
      [`${service}.AddResourceSettings`, async (_service, input) => this.#add(input)],
      [`${service}.ModifyResourceSettings`, async (_service, input) => this.#modify(input, "ResourceSettings")],
      [`${service}.ModifySystemSettings`, async (_service, input) => this.#modify(input, "SystemSettings")],
      [`${service}.RemoveResourceSettings`, async (_service, input) => this.#removeResources(input)],
      ["Msvm_ComputerSystem.RequestStateChange", async (machine, input) => this.#changeState(machine, input)],
      [
        "Msvm_ConcreteJob.RequestStateChange",
        async (job) => {
          this.jobs.terminate(String(job.values["InstanceID"]));
          return { ReturnValue: 0 };
        },
      ],
      ["Msvm_ShutdownComponent.InitiateShutdown", async (component) => this.#shutDown(component)],
    ]);
  }

  machine(id: string): Instance | undefined {
    return this.store.where("Msvm_ComputerSystem", (values) => values["Name"] === id)[0];
  }

  /** Settings of a machine or a checkpoint, by what its InstanceID begins with. */
  settingsOf(className: ClassName, id: string): readonly Instance[] {
    return this.store.where(className, (values) => String(values["InstanceID"]).startsWith(`Microsoft:${id}`));
  }

  touch(id: string): void {
    const machine = this.machine(id);
    if (machine !== undefined) machine.values["TimeOfLastConfigurationChange"] = now();
  }

  /** Windows 10 1709 brought checkpoints that are made by themselves, and they are on in clients only. */
  #automatic(): boolean | null {
    const [system] = this.store.all("Win32_OperatingSystem");
    if (Number(system?.values["BuildNumber"]) < 16299) return null;
    return system?.values["ProductType"] === 1;
  }

  #define(input: MethodArguments) {
    const [wanted] = embedded(input, "SystemSettings");
    if (!this.untold) return this.#defineNow(wanted);
    return this.jobs.start("DefineSystem", () => void this.#defineNow(wanted));
  }

  #defineNow(wanted: EmbeddedInstance | undefined) {
    const name = one(wanted, "ElementName") ?? "New Virtual Machine";
    const generation = one(wanted, "VirtualSystemSubType") ?? "Microsoft:Hyper-V:SubType:1";
    if (this.jobs.failing.has("DefineSystem")) throw new Refusal(32768, this.jobs.failing.get("DefineSystem") ?? "");
    const id = randomUUID().toUpperCase();
    const machine = this.store.add("Msvm_ComputerSystem", {
      CreationClassName: "Msvm_ComputerSystem",
      Name: id,
      ElementName: name,
      Caption: "Virtual Machine",
      Description: "Microsoft Virtual Machine",
      EnabledState: STATE.off,
      HealthState: 5,
      OperationalStatus: [2],
      OnTimeInMilliseconds: 0,
      InstallDate: now(),
      TimeOfLastStateChange: now(),
      TimeOfLastConfigurationChange: now(),
      ProcessID: null,
    });
    const uefi = generation.endsWith(":2");
    const values: Instance["values"] = {
      InstanceID: `Microsoft:${id}`,
      Caption: "Virtual Machine Settings",
      ElementName: name,
      VirtualSystemIdentifier: id,
      VirtualSystemType: REALIZED,
      VirtualSystemSubType: generation,
      ConfigurationID: id,
      ConfigurationDataRoot: "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V",
      SnapshotDataRoot: "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V",
      CreationTime: now(),
      Notes: [],
      Parent: null,
      SecureBootEnabled: uefi,
      SecureBootTemplateId: uefi ? "1734c6e8-3154-4dda-ba5f-a874cc483422" : null,
      BootSourceOrder: [],
      BootOrder: uefi ? [] : [1, 2, 3, 0],
      BIOSGUID: `{${randomUUID().toUpperCase()}}`,
      Version: "11.0",
      UserSnapshotType: 3,
      AutomaticSnapshotsEnabled: this.#automatic(),
    };
    this.store.add("Msvm_VirtualSystemSettingData", values);
    if (wanted !== undefined) this.#assign(this.#setting(id), wanted);
    this.store.add("Msvm_ProcessorSettingData", {
      InstanceID: `Microsoft:${id}\\b637f346-6a0e-4dec-af52-bd70cb80a21d\\0`,
      ElementName: "Processor",
      ResourceType: 3,
      ResourceSubType: "Microsoft:Hyper-V:Processor",
      VirtualQuantity: 1,
    });
    this.store.add("Msvm_MemorySettingData", {
      InstanceID: `Microsoft:${id}\\4764334d-e001-4176-82ee-5594ec9b530e`,
      ElementName: "Memory",
      ResourceType: 4,
      ResourceSubType: "Microsoft:Hyper-V:Memory",
      VirtualQuantity: 1024,
      Reservation: 1024,
      Limit: 1_048_576,
      AllocationUnits: "byte * 2^20",
      DynamicMemoryEnabled: false,
    });
    this.store.add("Msvm_SecuritySettingData", {
      InstanceID: `Microsoft:${id}\\f9f1a6a4`,
      ElementName: "Security",
      TpmEnabled: false,
    });
    // Generation 1 comes with its two IDE controllers, generation 2 with none.
    if (!uefi) {
      for (const number of [0, 1]) {
        this.store.add("Msvm_ResourceAllocationSettingData", {
          InstanceID: `Microsoft:${id}\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\${number}`,
          ElementName: `IDE Controller ${number}`,
          ResourceType: 5,
          ResourceSubType: CASES["ide"] ?? "",
          Address: String(number),
        });
      }
    }
    for (const className of [
      "Msvm_HeartbeatComponent",
      "Msvm_KvpExchangeComponent",
      "Msvm_ShutdownComponent",
    ] as const) {
      this.store.add(className, {
        SystemName: id,
        SystemCreationClassName: "Msvm_ComputerSystem",
        CreationClassName: className,
        DeviceID: `Microsoft:${randomUUID().toUpperCase()}`,
        ElementName: className.slice(5),
        ...(className === "Msvm_HeartbeatComponent" ? { OperationalStatus: [13], EnabledState: 2 } : {}),
        ...(className === "Msvm_KvpExchangeComponent" ? { GuestIntrinsicExchangeItems: [] } : {}),
        ...(className === "Msvm_ShutdownComponent" ? { OperationalStatus: [13], EnabledState: 2 } : {}),
      });
    }
    return { ResultingSystem: this.store.ref(machine), Job: null, ReturnValue: 0 };
  }

  #setting(id: string): Instance {
    const [setting] = this.store.where(
      "Msvm_VirtualSystemSettingData",
      (values) => values["VirtualSystemIdentifier"] === id && values["VirtualSystemType"] === REALIZED,
    );
    if (setting === undefined) throw new Refusal(INVALID_PARAMETER, "There is no such virtual machine.");
    return setting;
  }

  /** What was given replaces what is there, typed as the class says; keys stay. */
  #assign(instance: Instance, wanted: EmbeddedInstance): void {
    const properties: Readonly<Record<string, string>> = CLASSES[instance.className as ClassName].properties;
    for (const [name, given] of wanted.values) {
      const type = properties[name];
      if (type === undefined) throw new Refusal(INVALID_PARAMETER, `${instance.className} has no property ${name}.`);
      if (name === "InstanceID") continue;
      if (name === "AutomaticSnapshotsEnabled" && this.#automatic() === null)
        throw new Refusal(INVALID_PARAMETER, `${instance.className} has no property ${name}.`);
      const typed = given.map((text) =>
        type.startsWith("uint") ? Number(text) : type.startsWith("boolean") ? text.toLowerCase() === "true" : text,
      );
      // Of several notes a real host keeps the first, without a word.
      const kept = name === "Notes" ? typed.slice(0, 1) : typed;
      instance.values[name] = type.endsWith("[]") ? kept : (typed[0] ?? null);
    }
  }

  #add(input: MethodArguments) {
    const target = input.get("AffectedConfiguration")?.[0];
    const instanceId = typeof target === "object" ? (target.keys["InstanceID"] ?? "") : "";
    const id = instanceId.replace(/^Microsoft:/, "");
    this.#setting(id);
    const wanted = embedded(input, "ResourceSettings");
    const add = () => {
      const made = wanted.map((each) => this.#addOne(id, each));
      this.touch(id);
      return made;
    };
    if (this.untold) return this.jobs.start("AddResourceSettings", () => void add());
    const made = add();
    return { ResultingResourceSettings: made.map((each) => this.store.ref(each)), Job: null, ReturnValue: 0 };
  }

  #addOne(id: string, wanted: EmbeddedInstance): Instance {
    const className = wanted.className as ClassName;
    if (!(className in CLASSES)) throw new Refusal(INVALID_PARAMETER, `There is no class ${className}.`);
    const subType = one(wanted, "ResourceSubType");
    const parent = one(wanted, "Parent");
    if (parent !== null) this.#requireParent(id, parent);
    if (subType === "Microsoft:Hyper-V:Virtual Hard Disk") {
      const path = one(wanted, "HostResource") ?? "";
      if (!this.jail.exists(path))
        throw new Refusal(32768, `The system cannot find the file specified. (0x80070002). Path: '${path}'`);
      if (this.#heldBy(path) !== null) throw new Refusal(32768, `The file '${path}' is used by another machine.`);
    }
    if (subType === "Microsoft:Hyper-V:Synthetic Disk Drive" && parent !== null) {
      const place = one(wanted, "AddressOnParent");
      const taken = this.settingsOf("Msvm_ResourceAllocationSettingData", id).some(
        (each) => each.values["Parent"] === parent && each.values["AddressOnParent"] === place,
      );
      if (taken) throw new Refusal(INVALID_PARAMETER, "That place of the controller is taken.");
    }
    const suffix =
      className === "Msvm_EthernetPortAllocationSettingData" && parent !== null
        ? `${this.#tail(parent)}\\C`
        : randomUUID().toUpperCase();
    const instance = this.store.add(className, { InstanceID: `Microsoft:${id}\\${suffix}` });
    this.#assign(instance, wanted);
    this.#makeBootable(id, instance);
    if (className === "Msvm_SyntheticEthernetPortSettingData" && instance.values["StaticMacAddress"] !== true) {
      instance.values["Address"] = `00155D${randomUUID().slice(0, 6).toUpperCase()}`;
    }
    return instance;
  }

  /** Firmware of generation 2 lists each drive and card; a card that is new comes first here, so that order is a wish to be told. */
  #makeBootable(id: string, device: Instance): void {
    const drive = device.values["ResourceSubType"] === "Microsoft:Hyper-V:Synthetic Disk Drive";
    const card = device.className === "Msvm_SyntheticEthernetPortSettingData";
    const setting = this.#setting(id);
    if ((!drive && !card) || !String(setting.values["VirtualSystemSubType"]).endsWith(":2")) return;
    const source = this.store.add("Msvm_BootSourceSettingData", {
      InstanceID: `${String(device.values["InstanceID"])}\\B`,
      ElementName: "Boot Source Settings",
      BootSourceType: drive ? 1 : 2,
      BootSourceDescription: drive ? "EFI SCSI Device" : "EFI Network",
    });
    const path = this.store.path(HOST, source);
    const before = (setting.values["BootSourceOrder"] ?? []) as readonly string[];
    setting.values["BootSourceOrder"] = card ? [path, ...before] : [...before, path];
  }

  /** All of what the machine has, each once: the firmware takes nothing else. */
  #requireBootSources(instance: Instance, wanted: EmbeddedInstance): void {
    const order = wanted.values.get("BootSourceOrder");
    if (order === undefined) return;
    const ids = (paths: readonly string[]) =>
      paths
        .map((path) => (readObjectPath(path)?.keys["InstanceID"] ?? "").toLowerCase())
        .sort()
        .join();
    if (ids(order) !== ids((instance.values["BootSourceOrder"] ?? []) as readonly string[]))
      throw new Refusal(INVALID_PARAMETER, "The boot order does not name each boot source once.");
  }

  #tail(path: string): string {
    return (readObjectPath(path)?.keys["InstanceID"] ?? "").split("\\").slice(1).join("\\");
  }

  #requireParent(id: string, path: string): void {
    const parent = readObjectPath(path);
    const className = parent?.className as ClassName | undefined;
    const found =
      className !== undefined && className in CLASSES
        ? this.settingsOf(className, id).some((each) => each.values["InstanceID"] === parent?.keys["InstanceID"])
        : false;
    if (!found) throw new Refusal(INVALID_PARAMETER, `There is no parent ${path}.`);
  }

  #heldBy(path: string): string | null {
    const holder = this.store.where(
      "Msvm_StorageAllocationSettingData",
      (values) =>
        (values["HostResource"] as readonly string[] | null)?.some(
          (each) => each.toLowerCase() === path.toLowerCase(),
        ) === true,
    )[0];
    return holder === undefined ? null : String(holder.values["InstanceID"]);
  }

  #modify(input: MethodArguments, name: "ResourceSettings" | "SystemSettings") {
    const all = embedded(input, name);
    const odd = all.some(
      (each) => each.className === "Msvm_MemorySettingData" && Number(one(each, "VirtualQuantity") ?? 0) % 2 === 1,
    );
    if (odd)
      return this.jobs.start("ModifyResourceSettings", () => {
        throw new Error("Invalid value for memory. The amount of memory must be a multiple of 2 MB.");
      });
    for (const wanted of all) {
      const instanceId = one(wanted, "InstanceID");
      const [instance] = this.store.where(wanted.className, (values) => values["InstanceID"] === instanceId);
      if (instance === undefined)
        throw new Refusal(INVALID_PARAMETER, `There is no ${wanted.className} ${instanceId}.`);
      this.#requireBootSources(instance, wanted);
      this.#assign(instance, wanted);
      const id = String(instance.values["InstanceID"]).slice("Microsoft:".length).split("\\")[0] ?? "";
      if (wanted.className === "Msvm_VirtualSystemSettingData") {
        const machine = this.machine(id);
        if (machine !== undefined) machine.values["ElementName"] = instance.values["ElementName"] ?? null;
      }
      this.touch(id);
    }
    return { Job: null, ReturnValue: 0 };
  }

  #removeResources(input: MethodArguments) {
    for (const ref of input.get("ResourceSettings") ?? []) {
      if (typeof ref === "string") continue;
      const instance = this.store.find(ref.namespace, ref.className, ref.keys);
      this.store.remove(instance);
    }
    return { Job: null, ReturnValue: 0 };
  }

  #destroy(input: MethodArguments) {
    const target = input.get("AffectedSystem")?.[0];
    const id = typeof target === "object" ? (target.keys["Name"] ?? "") : "";
    const machine = this.machine(id);
    if (machine === undefined) throw new Refusal(INVALID_PARAMETER, "There is no such virtual machine.");
    if (machine.values["EnabledState"] !== STATE.off && machine.values["EnabledState"] !== STATE.saved) {
      throw new Refusal(INVALID_STATE, "The virtual machine is running.");
    }
    return this.jobs.start("DestroySystem", () => this.forget(id));
  }

  /** The machine and all of its settings are gone; its files stay. */
  forget(id: string): void {
    const machine = this.machine(id);
    if (machine === undefined) return;
    this.store.remove(machine);
    for (const className of Object.keys(CLASSES) as ClassName[]) {
      for (const each of this.store.all(className)) {
        const own = String(each.values["InstanceID"] ?? "");
        if (
          own.startsWith(`Microsoft:${id}`) ||
          each.values["SystemName"] === id ||
          each.values["VirtualSystemIdentifier"] === id
        ) {
          this.store.remove(each);
        }
      }
    }
  }

  #changeState(machine: Instance, input: MethodArguments) {
    const wanted = Number(input.get("RequestedState")?.[0]);
    const state = Number(machine.values["EnabledState"]);
    const set = (next: number) => () => {
      const id = String(machine.values["Name"]);
      if (next === STATE.on && state === STATE.off && this.#setting(id).values["AutomaticSnapshotsEnabled"] === true)
        this.checkpoint?.(id, `Automatic Checkpoint - ${String(machine.values["ElementName"])} - (${now()})`);
      machine.values["EnabledState"] = next;
      machine.values["TimeOfLastStateChange"] = now();
      machine.values["ProcessID"] = next === STATE.on ? 4711 : null;
      this.#components(String(machine.values["Name"]), next === STATE.on);
    };
    const may = (from: readonly number[]) => {
      if (!from.includes(state))
        throw new Refusal(INVALID_STATE, "The operation cannot be performed while the object is in its current state.");
    };
    switch (wanted) {
      case 2:
        may([STATE.off, STATE.saved, STATE.paused]);
        return this.jobs.start("Start", set(STATE.on));
      case 3:
        may([STATE.on, STATE.paused, STATE.saved]);
        return this.jobs.start("Stop", set(STATE.off));
      case 6:
        may([STATE.on, STATE.paused]);
        return this.jobs.start("Save", set(STATE.saved));
      case 9:
        may([STATE.on]);
        return this.jobs.start("Pause", set(STATE.paused));
      case 10:
      case 11:
        may([STATE.on, STATE.paused]);
        return this.jobs.start("Reset", set(STATE.on));
      default:
        throw new Refusal(INVALID_PARAMETER, `There is no state ${wanted}.`);
    }
  }

  /** A guest with integration services shows signs of life soon after its start. */
  #components(id: string, running: boolean): void {
    for (const className of ["Msvm_HeartbeatComponent", "Msvm_ShutdownComponent"] as const) {
      for (const each of this.store.where(className, (values) => values["SystemName"] === id)) {
        each.values["OperationalStatus"] = [running ? 2 : 13];
      }
    }
    const item = (name: string, data: string) =>
      `<INSTANCE CLASSNAME="Msvm_KvpExchangeDataItem"><PROPERTY NAME="Data" TYPE="string"><VALUE>${data}</VALUE></PROPERTY><PROPERTY NAME="Name" TYPE="string"><VALUE>${name}</VALUE></PROPERTY></INSTANCE>`;
    for (const each of this.store.where("Msvm_KvpExchangeComponent", (values) => values["SystemName"] === id)) {
      each.values["GuestIntrinsicExchangeItems"] = running
        ? [
            item("OSName", "Debian GNU/Linux"),
            item("OSVersion", "12"),
            item("NetworkAddressIPv4", "192.0.2.17"),
            item("FullyQualifiedDomainName", "guest"),
          ]
        : [];
    }
  }

  #shutDown(component: Instance) {
    const machine = this.machine(String(component.values["SystemName"]));
    if (machine?.values["EnabledState"] !== STATE.on) throw new Refusal(INVALID_STATE, "The machine is not running.");
    setTimeout(() => {
      machine.values["EnabledState"] = STATE.off;
      machine.values["TimeOfLastStateChange"] = now();
      this.#components(String(machine.values["Name"]), false);
    }, this.jobs.takes);
    return { ReturnValue: 0 };
  }
}

/** Methods answer a refusal by its number, as the real ones do. */
export function refusing(method: Method): Method {
  return async (target, input) => {
    try {
      return await method(target, input);
    } catch (error) {
      if (error instanceof Refusal) return { ReturnValue: error.returnValue, Job: null };
      throw error;
    }
  };
}
