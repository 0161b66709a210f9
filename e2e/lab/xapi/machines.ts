/** VMs: made, started, stopped, snapshotted and destroyed by the rules that XAPI has for them. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Database } from "./database.ts";
import type { Storage } from "./storage.ts";
import { dateText, Failure, integer, list, NULL_REF, struct, text, type Fields, type Value } from "./values.ts";

/** Fields that VM.create cannot do without. */
const NEEDED = [
  "actions_after_crash",
  "actions_after_reboot",
  "actions_after_shutdown",
  "affinity",
  "HVM_boot_params",
  "HVM_boot_policy",
  "is_a_template",
  "memory_dynamic_max",
  "memory_dynamic_min",
  "memory_static_max",
  "memory_static_min",
  "other_config",
  "PCI_bus",
  "platform",
  "PV_args",
  "PV_bootloader",
  "PV_bootloader_args",
  "PV_kernel",
  "PV_legacy_args",
  "PV_ramdisk",
  "recommendations",
  "user_version",
  "VCPUs_at_startup",
  "VCPUs_max",
  "VCPUs_params",
];

export class Machines {
  readonly #db: Database;
  readonly #storage: Storage;

  constructor(db: Database, storage: Storage) {
    this.#db = db;
    this.#storage = storage;
  }

  create(given: Fields): string {
    for (const name of NEEDED) if (given[name] === undefined) throw new Failure("FIELD_MISSING", name);
    const [low, dynamicLow, dynamicHigh, high] = (
      ["memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max"] as const
    ).map((name) => integer(given[name])) as [number, number, number, number];
    if (low > dynamicLow || dynamicLow > dynamicHigh || dynamicHigh > high)
      throw new Failure("MEMORY_CONSTRAINT_VIOLATION", "memory limits must be in order");
    if (integer(given["VCPUs_at_startup"]) > integer(given["VCPUs_max"]))
      throw new Failure("INVALID_VALUE", "VCPUs_at_startup", String(given["VCPUs_at_startup"]));
    const numbers = Object.fromEntries(
      NEEDED.filter((name) => /^(memory_|VCPUs_(max|at))|user_version/.test(name)).map((name) => [
        name,
        integer(given[name]),
      ]),
    );
    const sockets = struct(given["platform"])["cores-per-socket"];
    if (sockets !== undefined && integer(given["VCPUs_max"]) % integer(sockets) !== 0)
      throw new Failure("INVALID_VALUE", "platform:cores-per-socket", "VCPUs_max must be a multiple of this field");
    const ref = this.#insert({ ...given, ...numbers });
    if (given["is_a_template"] !== true) this.#addMetrics(ref);
    return ref;
  }

  #insert(fields: Fields): string {
    return this.#db.insert("VM", {
      name_label: "",
      name_description: "",
      tags: [],
      blocked_operations: {},
      domain_type: "hvm",
      start_delay: 0,
      shutdown_delay: 0,
      order: 0,
      ...fields,
      uuid: randomUUID(),
      power_state: "Halted",
      allowed_operations: [],
      current_operations: {},
      suspend_VDI: NULL_REF,
      resident_on: NULL_REF,
      VBDs: [],
      VIFs: [],
      VGPUs: [],
      VTPMs: [],
      consoles: [],
      crash_dumps: [],
      metrics: NULL_REF,
      guest_metrics: NULL_REF,
      domid: -1,
      is_control_domain: false,
      is_a_snapshot: false,
      snapshot_of: NULL_REF,
      snapshots: [],
      snapshot_time: "19700101T00:00:00Z",
      snapshot_info: {},
      parent: NULL_REF,
      children: [],
      is_default_template: false,
    });
  }

  #addMetrics(vm: string): void {
    const fields = this.#db.get("VM", vm);
    const metrics = this.#db.insert("VM_metrics", {
      memory_actual: fields["memory_dynamic_max"] ?? 0,
      VCPUs_number: fields["VCPUs_at_startup"] ?? 0,
      start_time: "19700101T00:00:00Z",
      install_time: dateText(),
      last_updated: dateText(),
      other_config: {},
      hvm: false,
    });
    this.#db.update("VM", vm, { metrics });
  }

  attachDisk(given: Fields): string {
    const vm = this.#db.get("VM", given["VM"]);
    const empty = given["empty"] === true || given["VDI"] === NULL_REF || given["VDI"] === undefined;
    if (!empty) this.#db.get("VDI", given["VDI"]);
    const device = text(given["userdevice"]);
    const others = this.#db.refs("VBD", (each) => each["VM"] === given["VM"] && each["userdevice"] === device);
    if (others.length > 0) throw new Failure("DEVICE_ALREADY_EXISTS", device);
    if (given["type"] === "CD" && given["mode"] !== "RO") throw new Failure("VBD_CDS_MUST_BE_READONLY");
    const vbd = this.#db.insert("VBD", {
      bootable: false,
      mode: "RW",
      type: "Disk",
      unpluggable: true,
      other_config: {},
      qos_algorithm_type: "",
      qos_algorithm_params: {},
      ...given,
      empty,
      VDI: empty ? NULL_REF : text(given["VDI"]),
      device: "",
      currently_attached: false,
      status_code: 0,
      status_detail: "",
      allowed_operations: ["attach"],
      current_operations: {},
      storage_lock: false,
      metrics: NULL_REF,
    });
    this.#db.update("VM", text(given["VM"]), { VBDs: [...list(vm["VBDs"]), vbd] });
    if (!empty) {
      const vdi = text(given["VDI"]);
      this.#db.update("VDI", vdi, { VBDs: [...list(this.#db.get("VDI", vdi)["VBDs"]), vbd] });
    }
    return vbd;
  }

  attachNic(given: Fields): string {
    const vm = this.#db.get("VM", given["VM"]);
    this.#db.get("network", given["network"]);
    const device = text(given["device"]);
    if (this.#db.refs("VIF", (each) => each["VM"] === given["VM"] && each["device"] === device).length > 0)
      throw new Failure("DEVICE_ALREADY_EXISTS", device);
    const random = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
    const mac = text(given["MAC"]).toLowerCase();
    if (mac !== "" && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) throw new Failure("MAC_INVALID", mac);
    const vif = this.#db.insert("VIF", {
      MTU: 1500,
      other_config: {},
      qos_algorithm_type: "",
      qos_algorithm_params: {},
      locking_mode: "network_default",
      ipv4_allowed: [],
      ipv6_allowed: [],
      ...given,
      MAC: mac === "" ? `ca:fe:00:${random}` : mac,
      MAC_autogenerated: mac === "",
      currently_attached: false,
      status_code: 0,
      status_detail: "",
      allowed_operations: ["attach"],
      current_operations: {},
      metrics: NULL_REF,
    });
    this.#db.update("VM", text(given["VM"]), { VIFs: [...list(vm["VIFs"]), vif] });
    return vif;
  }

  #require(vm: string, ...states: string[]): Fields {
    const fields = this.#db.get("VM", vm);
    if (fields["is_a_template"] === true && fields["is_a_snapshot"] !== true) throw new Failure("VM_IS_TEMPLATE", vm);
    if (fields["is_a_snapshot"] === true) throw new Failure("VM_IS_SNAPSHOT", vm, "start");
    if (!states.includes(text(fields["power_state"])))
      throw new Failure(
        "VM_BAD_POWER_STATE",
        vm,
        states[0]?.toLowerCase() ?? "",
        text(fields["power_state"]).toLowerCase(),
      );
    return fields;
  }

  #attached(vm: string, yes: boolean): void {
    for (const vbd of list(this.#db.get("VM", vm)["VBDs"]))
      this.#db.update("VBD", text(vbd), { currently_attached: yes });
    for (const vif of list(this.#db.get("VM", vm)["VIFs"]))
      this.#db.update("VIF", text(vif), { currently_attached: yes });
  }

  #requireIdle(vm: string): void {
    const [operation] = Object.values(struct(this.#db.get("VM", vm)["current_operations"]));
    if (operation !== undefined) throw new Failure("OTHER_OPERATION_IN_PROGRESS", "VM", vm, text(operation));
  }

  start(vm: string, paused: boolean): void {
    this.#requireIdle(vm);
    const fields = this.#require(vm, "Halted");
    const hosts = this.#db.refs("host", (each) => each["enabled"] === true);
    const reachable = hosts.find((host) =>
      list(fields["VBDs"]).every((vbd) => {
        const vdi = this.#db.find("VDI", this.#db.get("VBD", vbd)["VDI"]);
        return (
          vdi === null ||
          this.#db.refs(
            "PBD",
            (each) => each["SR"] === vdi["SR"] && each["host"] === host && each["currently_attached"] === true,
          ).length > 0
        );
      }),
    );
    if (reachable === undefined) throw new Failure("NO_HOSTS_AVAILABLE");
    for (const vbd of list(fields["VBDs"])) {
      const vdi = this.#db.get("VBD", vbd)["VDI"];
      const used = this.#db.refs("VBD", (each) => each["VDI"] === vdi && each["currently_attached"] === true);
      if (vdi !== NULL_REF && used.length > 0) throw new Failure("VDI_IN_USE", text(vdi), "attach");
    }
    this.#attached(vm, true);
    this.#db.update("VM", vm, {
      power_state: paused ? "Paused" : "Running",
      resident_on: reachable,
      domid: 1 + Math.floor(Math.random() * 1000),
    });
    const metrics = fields["metrics"];
    if (this.#db.find("VM_metrics", metrics) !== null)
      this.#db.update("VM_metrics", text(metrics), { start_time: dateText(), hvm: true });
  }

  halt(vm: string): void {
    this.#require(vm, "Running", "Paused", "Suspended");
    const { guest_metrics: guest } = this.#db.get("VM", vm);
    this.#attached(vm, false);
    if (this.#db.find("VM_guest_metrics", guest) !== null) this.#db.remove("VM_guest_metrics", text(guest));
    this.#db.update("VM", vm, { power_state: "Halted", resident_on: NULL_REF, domid: -1, guest_metrics: NULL_REF });
  }

  /** The guest's tools do it; without them nobody can. */
  requireTools(vm: string): void {
    const fields = this.#require(vm, "Running");
    const guest = this.#db.find("VM_guest_metrics", fields["guest_metrics"]);
    if (guest === null || guest["PV_drivers_detected"] !== true) throw new Failure("VM_MISSING_PV_DRIVERS", vm);
  }

  hardReboot(vm: string): void {
    this.#require(vm, "Running", "Paused");
    this.#db.update("VM", vm, { power_state: "Running" });
  }

  setState(vm: string, from: string, to: string): void {
    this.#require(vm, from);
    if (to === "Suspended") this.#attached(vm, false);
    if (from === "Suspended") this.#attached(vm, true);
    this.#db.update("VM", vm, { power_state: to });
  }

  /** As the guest's agent would report. */
  reportGuest(vm: string, os: Fields, networks: Fields): void {
    const guest = this.#db.insert("VM_guest_metrics", {
      os_version: os,
      networks,
      PV_drivers_version: { major: "8", minor: "4" },
      PV_drivers_up_to_date: true,
      PV_drivers_detected: true,
      memory: {},
      disks: {},
      other: {},
      last_updated: dateText(),
      other_config: {},
      live: true,
    });
    this.#db.update("VM", vm, { guest_metrics: guest });
  }

  async snapshot(vm: string, name: string): Promise<string> {
    const original = this.#db.get("VM", vm);
    const when = dateText();
    const disks: { vbd: Fields; copy: string }[] = [];
    for (const vbd of list(original["VBDs"])) {
      const fields = this.#db.get("VBD", vbd);
      if (fields["type"] !== "Disk") continue;
      disks.push({ vbd: fields, copy: await this.#storage.snapshotDisk(text(fields["VDI"]), when) });
    }
    const copy = this.#insert({ ...original, name_label: name });
    this.#db.update("VM", copy, {
      is_a_template: true,
      is_a_snapshot: true,
      snapshot_of: vm,
      snapshot_time: when,
      snapshot_info: { "power-state-at-snapshot": original["power_state"] ?? "Halted" },
      parent: original["parent"] ?? NULL_REF,
    });
    for (const { vbd, copy: disk } of disks)
      this.attachDisk({
        VM: copy,
        VDI: disk,
        userdevice: vbd["userdevice"] ?? "0",
        bootable: vbd["bootable"] ?? false,
        mode: vbd["mode"] ?? "RW",
        type: "Disk",
        empty: false,
      });
    this.#db.update("VM", vm, { snapshots: [...list(this.#db.get("VM", vm)["snapshots"]), copy], parent: copy });
    return copy;
  }

  destroy(vm: string): void {
    const fields = this.#db.get("VM", vm);
    this.#requireIdle(vm);
    if (fields["power_state"] !== "Halted")
      throw new Failure("VM_BAD_POWER_STATE", vm, "halted", text(fields["power_state"]).toLowerCase());
    for (const vbd of list(fields["VBDs"])) {
      const vdi = this.#db.get("VBD", vbd)["VDI"];
      const disk = this.#db.find("VDI", vdi);
      if (disk !== null)
        this.#db.update("VDI", text(vdi), { VBDs: list(disk["VBDs"]).filter((each: Value) => each !== vbd) });
      this.#db.remove("VBD", text(vbd));
    }
    for (const vif of list(fields["VIFs"])) this.#db.remove("VIF", text(vif));
    for (const name of ["VM_metrics", "VM_guest_metrics"] as const) {
      const ref = fields[name === "VM_metrics" ? "metrics" : "guest_metrics"];
      if (this.#db.find(name, ref) !== null) this.#db.remove(name, text(ref));
    }
    const origin = fields["snapshot_of"];
    const owner = this.#db.find("VM", origin);
    if (owner !== null)
      this.#db.update("VM", text(origin), {
        snapshots: list(owner["snapshots"]).filter((each) => each !== vm),
        ...(owner["parent"] === vm ? { parent: fields["parent"] ?? NULL_REF } : {}),
      });
    this.#db.remove("VM", vm);
  }

  /** A copy of a template as a VM's beginning. */
  clone(template: string, name: string): string {
    const fields = this.#db.get("VM", template);
    const copy = this.#insert({ ...fields, name_label: name });
    this.#db.update("VM", copy, { is_a_template: true, other_config: struct(fields["other_config"]) });
    this.#addMetrics(copy);
    return copy;
  }
}
