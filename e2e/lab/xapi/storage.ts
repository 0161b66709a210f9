/** Storage repositories with their disks as sparse files, so that free space is what is really stored. */
import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Database } from "./database.ts";
import { Failure, integer, NULL_REF, struct, text, type Fields, type Value } from "./values.ts";

const run = promisify(execFile);
const MiB = 1024 ** 2;
/** No VHD is larger. */
export const MOST_VHD = 2040 * 1024 ** 3;
/** A stored block is at least one page. */
const BLOCK = 512;

export class Storage {
  readonly #db: Database;
  readonly #folder: string;

  constructor(db: Database, folder: string) {
    this.#db = db;
    this.#folder = folder;
  }

  addRepository(options: {
    name: string;
    type: string;
    size: number;
    content?: string;
    hosts: readonly string[];
    shared?: boolean;
  }): string {
    const thin = ["ext", "nfs", "smb", "file"].includes(options.type);
    const sr = this.#db.insert("SR", {
      name_label: options.name,
      name_description: "",
      allowed_operations: options.type === "iso" ? ["scan"] : ["vdi_create", "vdi_destroy", "vdi_snapshot", "scan"],
      current_operations: {},
      VDIs: [],
      PBDs: [],
      virtual_allocation: 0,
      physical_utilisation: 0,
      physical_size: options.size,
      type: options.type,
      content_type: options.content ?? (options.type === "iso" ? "iso" : "user"),
      shared: options.shared ?? options.hosts.length > 1,
      other_config: {},
      tags: [],
      sm_config: thin ? {} : { allocation: "thick" },
      blobs: {},
      local_cache_enabled: false,
      introduced_by: NULL_REF,
      clustered: false,
      is_tools_sr: false,
    });
    for (const host of options.hosts) {
      const pbd = this.#db.insert("PBD", {
        host,
        SR: sr,
        device_config: {},
        currently_attached: true,
        other_config: {},
      });
      this.#db.update("SR", sr, { PBDs: [...(this.#db.get("SR", sr)["PBDs"] as Value[]), pbd] });
    }
    mkdirSync(join(this.#folder, text(this.#db.get("SR", sr)["uuid"])));
    return sr;
  }

  path(vdi: string): string {
    const fields = this.#db.get("VDI", vdi);
    return join(this.#folder, text(this.#db.get("SR", fields["SR"])["uuid"]), `${text(fields["uuid"])}.raw`);
  }

  /** Bytes that the disk takes in its repository. */
  used(vdi: string): number {
    return this.isThin(text(this.#db.get("VDI", vdi)["SR"]))
      ? statSync(this.path(vdi)).blocks * BLOCK
      : integer(this.#db.get("VDI", vdi)["virtual_size"]);
  }

  isThin(sr: string): boolean {
    return struct(this.#db.get("SR", sr)["sm_config"])["allocation"] !== "thick";
  }

  free(sr: string): number {
    const used = this.#db
      .refs("VDI", (each) => each["SR"] === sr)
      .reduce((sum, vdi) => sum + this.used(vdi), this.#otherUse.get(sr) ?? 0);
    return integer(this.#db.get("SR", sr)["physical_size"]) - used;
  }

  readonly #otherUse = new Map<string, number>();

  /** Something else fills the repository. */
  occupy(sr: string, bytes: number): void {
    this.#otherUse.set(sr, bytes);
    this.scan(sr);
  }

  scan(sr: string): void {
    for (const vdi of this.#db.refs("VDI", (each) => each["SR"] === sr)) {
      const used = this.used(vdi);
      if (this.#db.get("VDI", vdi)["physical_utilisation"] !== used)
        this.#db.update("VDI", vdi, { physical_utilisation: used });
    }
    const size = integer(this.#db.get("SR", sr)["physical_size"]);
    const used = size - this.free(sr);
    if (this.#db.get("SR", sr)["physical_utilisation"] !== used)
      this.#db.update("SR", sr, { physical_utilisation: used });
  }

  createDisk(record: Fields): string {
    const sr = text(record["SR"]);
    const repository = this.#db.get("SR", sr);
    if (!(repository["allowed_operations"] as Value[]).includes("vdi_create"))
      throw new Failure("SR_OPERATION_NOT_SUPPORTED", sr);
    if (!this.#db.refs("PBD", (each) => each["SR"] === sr && each["currently_attached"] === true).length)
      throw new Failure("SR_NO_PBDS", sr);
    // Repositories round up to whole mebibytes as the VHD ones do with their blocks.
    const size = Math.ceil(integer(record["virtual_size"]) / (2 * MiB)) * 2 * MiB;
    // The driver chooses the format itself, by size.
    const large = size > MOST_VHD;
    const [driver] = this.#db.refs("SM", (each) => each["type"] === repository["type"]);
    const formats = driver === undefined ? [] : (this.#db.get("SM", driver)["supported_image_formats"] as Value[]);
    if (large && !formats.includes("qcow2")) throw new Failure("SR_BACKEND_FAILURE_79", "", "VDI Invalid size", "");
    if (!this.isThin(sr) && this.free(sr) < size)
      throw new Failure("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "");
    const sm_config = { ...struct(record["sm_config"] ?? {}), ...(large ? { "image-format": "qcow2" } : {}) };
    const vdi = this.#insert({ ...record, SR: sr, virtual_size: size, sm_config });
    const file = openSync(this.path(vdi), "w");
    ftruncateSync(file, size);
    closeSync(file);
    this.scan(sr);
    return vdi;
  }

  #insert(fields: Fields): string {
    const sr = text(fields["SR"]);
    const vdi = this.#db.insert("VDI", {
      name_label: "",
      name_description: "",
      type: "user",
      sharable: false,
      read_only: false,
      other_config: {},
      xenstore_data: {},
      sm_config: {},
      tags: [],
      ...fields,
      allowed_operations: ["snapshot", "copy", "clone", "destroy", "resize"],
      current_operations: {},
      VBDs: [],
      crash_dumps: [],
      physical_utilisation: 0,
      storage_lock: false,
      location: "",
      managed: true,
      missing: false,
      parent: NULL_REF,
      is_a_snapshot: false,
      snapshot_of: NULL_REF,
      snapshots: [],
      snapshot_time: "19700101T00:00:00Z",
      allow_caching: false,
      on_boot: "persist",
      metadata_of_pool: "",
      metadata_latest: false,
      is_tools_iso: false,
      cbt_enabled: false,
    });
    this.#db.update("VDI", vdi, { location: this.#db.get("VDI", vdi)["uuid"] ?? "" });
    this.#db.update("SR", sr, { VDIs: [...(this.#db.get("SR", sr)["VDIs"] as Value[]), vdi] });
    return vdi;
  }

  async snapshotDisk(vdi: string, when: string): Promise<string> {
    const original = this.#db.get("VDI", vdi);
    const copy = this.#insert({
      name_label: original["name_label"] ?? "",
      name_description: original["name_description"] ?? "",
      SR: original["SR"] ?? "",
      virtual_size: original["virtual_size"] ?? 0,
      type: original["type"] ?? "user",
      other_config: original["other_config"] ?? {},
      sm_config: original["sm_config"] ?? {},
    });
    this.#db.update("VDI", copy, { is_a_snapshot: true, snapshot_of: vdi, snapshot_time: when, read_only: true });
    await run("cp", ["--sparse=always", "--reflink=auto", this.path(vdi), this.path(copy)]);
    this.#db.update("VDI", vdi, { snapshots: [...(original["snapshots"] as Value[]), copy] });
    this.scan(text(original["SR"]));
    return copy;
  }

  destroyDisk(vdi: string): void {
    const fields = this.#db.get("VDI", vdi);
    const attached = this.#db.refs("VBD", (each) => each["VDI"] === vdi && each["currently_attached"] === true);
    if (attached.length > 0 || Object.keys(struct(fields["current_operations"])).length > 0)
      throw new Failure("VDI_IN_USE", vdi, "destroy");
    const sr = text(fields["SR"]);
    rmSync(this.path(vdi), { force: true });
    for (const vbd of this.#db.refs("VBD", (each) => each["VDI"] === vdi)) {
      const vm = text(this.#db.get("VBD", vbd)["VM"]);
      this.#db.remove("VBD", vbd);
      const owner = this.#db.find("VM", vm);
      if (owner !== null)
        this.#db.update("VM", vm, { VBDs: (owner["VBDs"] as Value[]).filter((each) => each !== vbd) });
    }
    this.#db.remove("VDI", vdi);
    this.#db.update("SR", sr, { VDIs: (this.#db.get("SR", sr)["VDIs"] as Value[]).filter((each) => each !== vdi) });
    this.scan(sr);
  }
}
