/** The bulk handlers: a disk in and out as raw, as sparse records, or as VHD, with the task telling how it went. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { PoolState } from "./calls.ts";
import { MOST_VHD } from "./storage.ts";
import { endOf, type Fault } from "./tasks.ts";
import { Failure, integer, text } from "./values.ts";

const run = promisify(execFile);
const HEADER = 12;

/** Reads exact amounts from a body of any cut. */
class Body {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  received = 0;

  constructor(request: IncomingMessage) {
    this.#chunks = (request as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Fewer bytes than asked for only at the end. */
  async take(most: number): Promise<Buffer> {
    if (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return Buffer.alloc(0);
      this.#rest = next.value;
      this.received += next.value.length;
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = await this.take(left);
      if (part.length === 0) throw new Failure("VDI_IO_ERROR", "Device I/O errors");
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }
}

type Write = (offset: number, bytes: Buffer) => Promise<void>;

export class Transfers {
  readonly #pool: PoolState;

  constructor(pool: PoolState) {
    this.#pool = pool;
  }

  /** The disk that the request names by reference or UUID. */
  disk(query: URLSearchParams): string {
    const { db } = this.#pool;
    const given = query.get("vdi") ?? "";
    const ref = db.find("VDI", given) === null ? db.refs("VDI", (each) => each["uuid"] === given)[0] : given;
    if (ref === undefined) throw new Failure("HANDLE_INVALID", "VDI", given);
    return ref;
  }

  async receive(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const { db, tasks, storage } = this.#pool;
    const task = query.get("task_id") ?? tasks.create("Importing raw VDI");
    const vdi = this.disk(query);
    const format = query.get("format") ?? "raw";
    const chunked = query.has("chunked");
    if (!["raw", "vhd"].includes(format) || (chunked && format !== "raw")) {
      tasks.fail(task, new Failure("INTERNAL_ERROR", `Unknown format ${format}`));
      response.writeHead(404, { connection: "close" }).end();
      return;
    }
    // The length of the body has to be known: an encoding of it is refused.
    if (request.headers["transfer-encoding"] !== undefined) {
      tasks.fail(task, new Failure("INTERNAL_ERROR", "import code cannot handle encoding: chunked"));
      response.writeHead(403, { connection: "close" }).end();
      return;
    }
    const fault = tasks.takeFault("import");
    db.update("VDI", vdi, { current_operations: { [task]: "data_destroy" } });
    // The answer comes before the bytes; how it went only the task will say.
    response.shouldKeepAlive = false;
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { connection: "close", "task-id": task, "content-type": "application/octet-stream" });
    response.flushHeaders();
    const cut = (): void => void request.socket.destroy();
    tasks.signal(task).addEventListener("abort", cut, { once: true });
    try {
      await this.#fill(vdi, format, chunked, request, task, fault);
      storage.scan(text(db.get("VDI", vdi)["SR"]));
      if (fault?.stayPending !== true) tasks.complete(task, null);
      response.end();
    } catch (error) {
      if (db.find("VDI", vdi) !== null) storage.scan(text(db.get("VDI", vdi)["SR"]));
      tasks.fail(task, error);
      request.socket.destroy();
    } finally {
      tasks.signal(task).removeEventListener("abort", cut);
      if (db.find("VDI", vdi) !== null) db.update("VDI", vdi, { current_operations: {} });
    }
  }

  async #fill(
    vdi: string,
    format: string,
    chunked: boolean,
    request: IncomingMessage,
    task: string,
    fault: Fault | null,
  ): Promise<void> {
    const { db, tasks, storage } = this.#pool;
    const size = integer(db.get("VDI", vdi)["virtual_size"]);
    const sr = text(db.get("VDI", vdi)["SR"]);
    const room = storage.isThin(sr) ? storage.free(sr) : Number.MAX_SAFE_INTEGER;
    const path = storage.path(vdi);
    const body = new Body(request);
    let stored = 0;
    const check = (offset: number, length: number): void => {
      stored += length;
      if (fault?.afterBytes !== undefined && stored > fault.afterBytes) {
        if (fault.cut === true) request.socket.destroy();
        throw new Failure(text(fault.fail?.[0] ?? "VDI_IO_ERROR"), ...(fault.fail?.slice(1) ?? ["Device I/O errors"]));
      }
      if (offset + length > size || stored > room) throw new Failure("VDI_IO_ERROR", "Device I/O errors");
    };
    if (format === "vhd") {
      const file = `${path}.vhd`;
      try {
        let length = 0;
        await pipeline(async function* () {
          for (let part = await body.take(1 << 20); part.length > 0; part = await body.take(1 << 20)) {
            length += part.length;
            check(0, part.length);
            yield part;
          }
        }, createWriteStream(file));
        if (length !== Number(request.headers["content-length"]))
          throw new Failure("VDI_IO_ERROR", "Device I/O errors");
        await run("qemu-img", ["check", "-f", "vpc", file]).catch(() => undefined);
        await run("qemu-img", ["convert", "-n", "--target-is-zero", "-f", "vpc", "-O", "raw", file, path]).catch(
          (error: unknown) => {
            throw new Failure("INTERNAL_ERROR", `vhd-tool: ${String(error)}`);
          },
        );
      } finally {
        await rm(file, { force: true });
      }
      return;
    }
    await using file = await open(path, "r+");
    const write: Write = async (offset, bytes) => {
      check(offset, bytes.length);
      await file.write(bytes, 0, bytes.length, offset);
      tasks.progress(task, chunked ? 0.5 : (offset + bytes.length) / size);
    };
    if (chunked) await readRecords(body, write);
    else await readPlain(body, write, Number(request.headers["content-length"] ?? size));
    if (!tasks.isPending(task)) throw new Failure("TASK_CANCELLED", task);
  }

  async send(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const { db, tasks, storage } = this.#pool;
    const task = query.get("task_id") ?? tasks.create("Exporting raw VDI");
    const vdi = this.disk(query);
    const format = query.get("format") ?? "raw";
    if (!["raw", "vhd"].includes(format)) {
      tasks.fail(task, new Failure("INTERNAL_ERROR", `Unknown format ${format}`));
      response.writeHead(404, { connection: "close" }).end();
      return;
    }
    const busy = db.refs(
      "VBD",
      (each) => each["VDI"] === vdi && each["currently_attached"] === true && each["mode"] === "RW",
    );
    if (busy.length > 0) {
      tasks.fail(task, new Failure("INTERNAL_ERROR", "Caught exception: VDI_IN_USE"));
      response.writeHead(500, { connection: "close" }).end();
      return;
    }
    const fault = tasks.takeFault("export");
    if (format === "vhd" && integer(db.get("VDI", vdi)["virtual_size"]) > MOST_VHD) {
      // The head is sent before the size is looked at: only the task says that nothing follows.
      response.writeHead(200, { connection: "close", "task-id": task, "content-type": "application/vhd" });
      tasks.fail(task, new Failure("VDI_TOO_LARGE", vdi, String(MOST_VHD)));
      response.end();
      return;
    }
    let path = storage.path(vdi);
    let made: string | null = null;
    if (format === "vhd") {
      made = `${path}.${Math.random().toString(36).slice(2)}.vhd`;
      await run("qemu-img", ["convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", path, made]);
      path = made;
    }
    const stop = endOf(response, tasks.signal(task));
    const cut = (): void => void request.socket.destroy();
    tasks.signal(task).addEventListener("abort", cut, { once: true });
    try {
      response.shouldKeepAlive = false;
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, {
        connection: "close",
        "task-id": task,
        "content-type": format === "vhd" ? "application/vhd" : "application/octet-stream",
        "content-disposition": `attachment; filename="${text(db.get("VDI", vdi)["uuid"])}.${format}"`,
      });
      let sent = 0;
      const total = (await stat(path)).size;
      for await (const part of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
        if (fault?.afterBytes !== undefined && sent + part.length > fault.afterBytes)
          throw new Failure(
            text(fault.fail?.[0] ?? "VDI_IO_ERROR"),
            ...(fault.fail?.slice(1) ?? ["Device I/O errors"]),
          );
        sent += part.length;
        tasks.progress(task, sent / total);
        if (fault?.delay !== undefined) await delay(fault.delay, undefined, { signal: stop });
        if (!response.write(part)) await once(response, "drain", { signal: stop });
      }
      if (fault?.stayPending !== true) tasks.complete(task, null);
      response.end();
    } catch (error) {
      tasks.fail(task, error);
      // As the real one: the stream simply ends.
      response.end();
    } finally {
      tasks.signal(task).removeEventListener("abort", cut);
      if (made !== null) await rm(made, { force: true });
    }
  }
}

/** {u64 offset, u32 length, data}, little-endian, until twelve zero bytes. */
async function readRecords(body: Body, write: Write): Promise<void> {
  for (;;) {
    const header = await body.exactly(HEADER);
    let offset = Number(header.readBigUInt64LE(0));
    let left = header.readUInt32LE(8);
    if (offset === 0 && left === 0) return;
    while (left > 0) {
      const bytes = await body.take(left);
      if (bytes.length === 0) throw new Failure("VDI_IO_ERROR", "Device I/O errors");
      await write(offset, bytes);
      offset += bytes.length;
      left -= bytes.length;
    }
  }
}

async function readPlain(body: Body, write: Write, length: number): Promise<void> {
  let at = 0;
  while (at < length) {
    const bytes = await body.take(length - at);
    if (bytes.length === 0) throw new Failure("VDI_IO_ERROR", "Device I/O errors");
    await write(at, bytes);
    at += bytes.length;
  }
}
