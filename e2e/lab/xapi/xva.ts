/** A whole VM in and out as XVA: ova.xml first, then each disk in blocks of a mebibyte with their SHA-1; zero blocks are left out. */
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./database.ts";
import type { Machines } from "./machines.ts";
import type { Storage } from "./storage.ts";
import { endOf, type Tasks } from "./tasks.ts";
import { Failure, integer, list, NULL_REF, struct, text, type Fields, type Value } from "./values.ts";
import { readBareValue, writeValue } from "./xml-rpc.ts";

interface Pool {
  readonly db: Database;
  readonly storage: Storage;
  readonly machines: Machines;
  readonly tasks: Tasks;
  readonly seeded: { readonly shared: string };
}

const BLOCK = 1024 ** 2;
type Kind = "VM" | "VBD" | "VIF" | "VDI" | "SR" | "network";

/** The header of a ustar member. */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write("0000444\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0ustar\u000000", 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function member(name: string, bytes: Buffer): Buffer {
  return Buffer.concat([tarHeader(name, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** Repositories of all disks of the VM that the request names. */
export function repositoriesOf({ db }: Pick<Pool, "db">, query: URLSearchParams): string[] {
  const given = query.get("ref") ?? query.get("uuid") ?? "";
  const vm = db.find("VM", given) === null ? db.refs("VM", (each) => each["uuid"] === given)[0] : given;
  const vdis = list(db.get("VM", vm)["VBDs"]).map((vbd) => db.find("VDI", db.get("VBD", vbd)["VDI"]));
  return [...new Set(vdis.flatMap((vdi) => (vdi === null ? [] : [text(vdi["SR"])])))];
}

export async function sendVm(
  pool: Pool,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): Promise<void> {
  const { db, tasks } = pool;
  const task = query.get("task_id") ?? tasks.create("Export of VM");
  const given = query.get("ref") ?? query.get("uuid") ?? "";
  const vm = db.find("VM", given) === null ? db.refs("VM", (each) => each["uuid"] === given)[0] : given;
  const fields = db.get("VM", vm);
  if (fields["power_state"] !== "Halted")
    throw new Failure("VM_BAD_POWER_STATE", given, "halted", text(fields["power_state"]).toLowerCase());
  const ids = new Map<string, string>();
  const id = (ref: string): string => {
    if (!ids.has(ref)) ids.set(ref, `Ref:${ids.size}`);
    return ids.get(ref) ?? "";
  };
  const objects: { class: string; ref: string }[] = [{ class: "VM", ref: vm ?? "" }];
  const disks: string[] = [];
  for (const vbd of list(fields["VBDs"]).map(text)) {
    objects.push({ class: "VBD", ref: vbd });
    const vdi = text(db.get("VBD", vbd)["VDI"]);
    if (vdi === NULL_REF) continue;
    objects.push({ class: "VDI", ref: vdi });
    disks.push(vdi);
    const sr = text(db.get("VDI", vdi)["SR"]);
    if (!objects.some((each) => each.ref === sr)) objects.push({ class: "SR", ref: sr });
  }
  for (const vif of list(fields["VIFs"]).map(text)) {
    objects.push({ class: "VIF", ref: vif });
    const network = text(db.get("VIF", vif)["network"]);
    if (!objects.some((each) => each.ref === network)) objects.push({ class: "network", ref: network });
  }
  for (const each of objects) id(each.ref);
  const renamed = (value: Value): Value =>
    typeof value === "string"
      ? value.startsWith("OpaqueRef:") && value !== NULL_REF
        ? (ids.get(value) ?? NULL_REF)
        : value
      : Array.isArray(value)
        ? (value as readonly Value[]).map(renamed)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, renamed(each as Value)]))
          : value;
  const ova: Value = {
    version: {
      hostname: "xen1",
      date: "2026-01-01",
      product_version: "8.4.0",
      product_brand: "XenServer",
      build_number: "release",
      xapi_major: 2,
      xapi_minor: 21,
      export_vsn: 2,
    },
    objects: objects.map((each) => ({
      class: each.class,
      id: id(each.ref),
      snapshot: renamed(db.get(each.class, each.ref)),
    })),
  };
  response.shouldKeepAlive = false;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: "close", "task-id": task, "content-type": "application/octet-stream" });
  const fault = tasks.takeFault("export");
  const stop = endOf(response, tasks.signal(task));
  const cut = (): void => void request.socket.destroy();
  stop.addEventListener("abort", cut, { once: true });
  const busy = (operations: Fields): void => {
    if (db.find("VM", vm) !== null) db.update("VM", vm ?? "", { current_operations: operations });
    for (const vdi of disks)
      if (db.find("VDI", vdi) !== null) db.update("VDI", vdi, { current_operations: operations });
  };
  busy({ [task]: "export" });
  let sent = 0;
  const write = async (bytes: Buffer): Promise<void> => {
    if (fault?.afterBytes !== undefined && sent + bytes.length > fault.afterBytes) {
      if (fault.cut === true) request.socket.destroy();
      throw new Failure(text(fault.fail?.[0] ?? "VDI_IO_ERROR"), ...(fault.fail?.slice(1) ?? ["Device I/O errors"]));
    }
    sent += bytes.length;
    if (fault?.delay !== undefined) await delay(fault.delay, undefined, { signal: stop });
    if (!response.write(bytes)) await once(response, "drain", { signal: stop });
  };
  try {
    await write(member("ova.xml", Buffer.from(writeValue(ova))));
    for (const vdi of disks) await sendDisk(pool, vdi, id(vdi), task, write);
    response.end(Buffer.alloc(1024));
    if (fault?.stayPending !== true) tasks.complete(task, null);
  } catch (error) {
    tasks.fail(task, error);
    // As the real one: the stream simply ends.
    response.end();
  } finally {
    stop.removeEventListener("abort", cut);
    busy({});
  }
  request.resume();
}

async function sendDisk(
  { db, storage, tasks }: Pool,
  vdi: string,
  folder: string,
  task: string,
  write: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  const zeros = Buffer.alloc(BLOCK);
  await using file = await open(storage.path(vdi));
  const size = integer(db.get("VDI", vdi)["virtual_size"]);
  const count = Math.ceil(size / BLOCK);
  for (let index = 0; index < count; index += 1) {
    const bytes = Buffer.alloc(Math.min(BLOCK, size - index * BLOCK));
    await file.read(bytes, 0, bytes.length, index * BLOCK);
    // The first and the last block always come: they tell where the disk begins and ends.
    if (index > 0 && index < count - 1 && bytes.equals(zeros)) continue;
    const name = `${folder}/${String(index).padStart(8, "0")}`;
    await write(member(name, bytes));
    await write(member(`${name}.checksum`, Buffer.from(createHash("sha1").update(bytes).digest("hex"))));
    tasks.progress(task, index / count);
  }
}

export async function receiveVm(
  pool: Pool,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): Promise<void> {
  const { db, storage, machines, tasks } = pool;
  const task = query.get("task_id") ?? tasks.create("Import of VM");
  if (request.headers["transfer-encoding"] !== undefined) {
    tasks.fail(task, new Failure("INTERNAL_ERROR", "import code cannot handle encoding: chunked"));
    response.writeHead(403, { connection: "close" }).end();
    return;
  }
  const sr =
    db.refs("SR", (each) => each["uuid"] === query.get("sr_uuid"))[0] ?? query.get("sr_id") ?? pool.seeded.shared;
  response.shouldKeepAlive = false;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: "close", "task-id": task });
  response.flushHeaders();
  const folder = await mkdtemp(join(tmpdir(), "supravisor-xva-"));
  try {
    const tar = spawn("tar", ["-x", "-C", folder], { stdio: ["pipe", "ignore", "ignore"] });
    const ended = once(tar, "close");
    await pipeline(request, tar.stdin);
    if ((await ended)[0] !== 0) throw new Failure("IMPORT_ERROR_PREMATURE_EOF");
    const made = await rebuild(folder, sr, db, storage, machines);
    tasks.complete(task, [made]);
    response.end();
  } catch (error) {
    tasks.fail(task, error);
    request.socket.destroy();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function rebuild(
  folder: string,
  sr: string,
  db: Database,
  storage: Storage,
  machines: Machines,
): Promise<string> {
  const ova = struct(readBareValue(await readFile(join(folder, "ova.xml"), "utf8")));
  const objects = list(ova["objects"]).map(struct);
  const of = (name: Kind): Fields[] => objects.filter((each) => each["class"] === name);
  const [vm] = of("VM");
  if (vm === undefined) throw new Failure("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", "VM");
  const made = machines.create(struct(vm["snapshot"]));
  for (const vdi of of("VDI")) {
    const fields = struct(vdi["snapshot"]);
    const disk = storage.createDisk({
      SR: sr,
      name_label: fields["name_label"] ?? "",
      virtual_size: fields["virtual_size"] ?? 0,
    });
    const blocks = join(folder, text(vdi["id"]));
    await using file = await open(storage.path(disk), "r+");
    for (const name of (await readdir(blocks)).filter((each) => /^\d+$/.test(each))) {
      const bytes = await readFile(join(blocks, name));
      const sum = await readFile(join(blocks, `${name}.checksum`), "utf8").catch(() => null);
      if (sum !== null && createHash("sha1").update(bytes).digest("hex") !== sum.trim())
        throw new Failure("IMPORT_ERROR_SOME_CHECKSUMS_FAILED");
      await file.write(bytes, 0, bytes.length, Number(name) * BLOCK);
    }
    for (const vbd of of("VBD").map((each) => struct(each["snapshot"])))
      if (vbd["VDI"] === vdi["id"])
        machines.attachDisk({
          VM: made,
          VDI: disk,
          userdevice: vbd["userdevice"] ?? "0",
          bootable: vbd["bootable"] ?? false,
          mode: vbd["mode"] ?? "RW",
          type: "Disk",
          empty: false,
        });
  }
  storage.scan(sr);
  for (const vif of of("VIF").map((each) => struct(each["snapshot"]))) {
    const name = of("network").find((each) => each["id"] === vif["network"])?.["snapshot"];
    const label = name === undefined ? null : struct(name)["name_label"];
    const [network] = db.refs("network", (each) => each["name_label"] === label);
    if (network !== undefined)
      machines.attachNic({ VM: made, network, device: vif["device"] ?? "0", MAC: vif["MAC"] ?? "" });
  }
  return made;
}
