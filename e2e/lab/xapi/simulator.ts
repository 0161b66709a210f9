/**
 * A XenServer pool for tests: two members with TLS ports and certificates of their own, the API in both encodings, and
 * storage with real bytes. No real XenServer can run here; what this one says is checked by clients that others wrote.
 */
import { createHash, X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Calls, type PoolState } from "./calls.ts";
import { Database } from "./database.ts";
import { Machines } from "./machines.ts";
import { seedPool, type SeededPool } from "./seed.ts";
import { Storage } from "./storage.ts";
import { Tasks } from "./tasks.ts";
import { Transfers } from "./transfer.ts";
import { Failure, NULL_REF, text, type Value } from "./values.ts";
import { readCall, writeResponse } from "./xml-rpc.ts";
import { receiveVm, repositoriesOf, sendVm } from "./xva.ts";

/** The pool's members are told apart by loopback addresses; nobody listens at the third. */
export const ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"] as const;
const MOST_CALL = 16 * 1024 * 1024;

/** Why there can be no simulator here, or null. */
export function whyNoXapi(): string | null {
  for (const program of ["/usr/bin/openssl", "/usr/bin/qemu-img"])
    if (!existsSync(program)) return `${program} is not installed`;
  return null;
}

export interface XapiMember {
  readonly address: string;
  readonly ref: string;
  /** SHA-256, lower-case hex. */
  readonly fingerprint: string;
  readonly certificateFile: string;
}

export class XapiSimulator {
  readonly port: number;
  readonly user = "root";
  readonly password = "correct horse";
  readonly folder: string;
  readonly db = new Database();
  readonly tasks = new Tasks(this.db);
  readonly storage: Storage;
  readonly machines: Machines;
  readonly seeded: SeededPool;
  readonly members: readonly XapiMember[];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<string>();
  readonly #calls: Calls;
  readonly #transfers: Transfers;
  #master = 0;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    mkdirSync(join(folder, "sr"));
    this.storage = new Storage(this.db, join(folder, "sr"));
    this.machines = new Machines(this.db, this.storage);
    this.seeded = seedPool(this.db, this.storage, this.machines, ADDRESSES);
    this.members = this.seeded.hosts.slice(0, 2).map((ref, index) => {
      const address = ADDRESSES[index] ?? "";
      const file = makeCertificate(folder, address);
      const certificate = new X509Certificate(readFileSync(file));
      return {
        address,
        ref,
        fingerprint: createHash("sha256").update(certificate.raw).digest("hex"),
        certificateFile: file,
      };
    });
    const pool: PoolState = {
      db: this.db,
      tasks: this.tasks,
      storage: this.storage,
      machines: this.machines,
      user: this.user,
      password: this.password,
      sessions: this.#sessions,
      certificates: new Map(this.members.map((each) => [each.ref, readFileSync(each.certificateFile, "utf8")])),
    };
    this.#calls = new Calls(pool);
    this.#transfers = new Transfers(pool);
  }

  static async start(): Promise<XapiSimulator> {
    for (let attempt = 0; ; attempt += 1) {
      const folder = mkdtempSync(join(tmpdir(), "supravisor-xapi-"));
      const simulator = new XapiSimulator(folder, 20_000 + Math.floor(Math.random() * 20_000));
      try {
        for (const index of simulator.members.keys()) await simulator.#listen(index);
        return simulator;
      } catch (error) {
        simulator.stop();
        if (attempt >= 5) throw error;
      }
    }
  }

  async #listen(index: number): Promise<void> {
    const member = this.members[index];
    if (member === undefined) return;
    const server = createServer(
      {
        cert: readFileSync(member.certificateFile),
        key: readFileSync(member.certificateFile.replace(/pem$/, "key")),
        minVersion: "TLSv1.2",
      },
      (request, response) => {
        this.#answer(index, request, response).catch(() => request.socket.destroy());
      },
    );
    server.requestTimeout = 0;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.port, member.address, resolve);
    });
  }

  /** The other member takes over, as after `pool-designate-new-master`. */
  designateMaster(index: number): void {
    this.#master = index;
    this.db.update("pool", this.seeded.pool, { master: this.members[index]?.ref ?? NULL_REF });
    this.#sessions.clear();
  }

  /** As after a restart of the toolstack. */
  dropSessions(): void {
    this.#sessions.clear();
  }

  /** Every connection breaks; the ports stay open. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    this.dropConnections();
    for (const server of this.#servers) server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #answer(member: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://localhost");
    if (request.method === "POST") await this.#rpc(member, url.pathname, request, response);
    else await this.#bulk(member, url, request, response);
  }

  async #rpc(member: number, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > MOST_CALL) throw new Error("too long a call");
      parts.push(part);
    }
    const body = Buffer.concat(parts).toString("utf8");
    const json = path === "/jsonrpc";
    const { method, params, id } = json
      ? (JSON.parse(body) as { method: string; params: Value[]; id: Value })
      : { ...readCall(body), id: null };
    const send = (type: string, answer: string): void => {
      response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(answer) }).end(answer);
    };
    try {
      const value = await this.#dispatch(member, method, params);
      if (json) send("application/json", JSON.stringify({ jsonrpc: "2.0", result: value, id }));
      else send("text/xml", writeResponse(method.startsWith("system.") ? value : { Status: "Success", Value: value }));
    } catch (error) {
      const description = error instanceof Failure ? error.description : ["INTERNAL_ERROR", String(error)];
      const [code = "", ...data] = description;
      if (json)
        send("application/json", JSON.stringify({ jsonrpc: "2.0", error: { code: 1, message: code, data }, id }));
      else send("text/xml", writeResponse({ Status: "Failure", ErrorDescription: [...description] }));
    }
  }

  async #dispatch(member: number, method: string, params: readonly Value[]): Promise<Value> {
    if (method === "system.listMethods") return this.#calls.methods();
    if (member !== this.#master) throw new Failure("HOST_IS_SLAVE", ADDRESSES[this.#master] ?? "");
    if (method === "session.login_with_password") return this.#calls.login(params);
    const session = params[0];
    if (typeof session !== "string" || !this.#sessions.has(session))
      throw new Failure("SESSION_INVALID", String(session));
    if (method === "session.logout") {
      this.#sessions.delete(session);
      return "";
    }
    return this.#calls.call(method, params.slice(1));
  }

  async #bulk(member: number, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = url.searchParams;
    const refuse = (status: number): void => {
      response.writeHead(status, { connection: "close" }).end();
    };
    if (!this.#sessions.has(query.get("session_id") ?? "")) return refuse(401);
    const route = `${request.method ?? ""} ${url.pathname.replace(/\/$/, "")}`;
    try {
      switch (route) {
        case "PUT /import_raw_vdi":
        case "GET /export_raw_vdi": {
          const vdi = this.#transfers.disk(query);
          const other = this.#elsewhere(member, text(this.db.get("VDI", vdi)["SR"]));
          if (other !== null) return this.#redirect(other, request, response);
          return await (route.startsWith("PUT")
            ? this.#transfers.receive(request, response, query)
            : this.#transfers.send(request, response, query));
        }
        case "GET /export": {
          const other = this.#elsewhere(member, ...repositoriesOf(this, query));
          if (other !== null) return this.#redirect(other, request, response);
          return await sendVm(this, request, response, query);
        }
        case "PUT /import":
          return await receiveVm(this, request, response, query);
        default:
          return refuse(404);
      }
    } catch (error) {
      const task = query.get("task_id");
      if (task !== null) this.tasks.fail(task, error);
      if (response.headersSent) request.socket.destroy();
      else refuse(500);
    }
  }

  #redirect(address: string, request: IncomingMessage, response: ServerResponse): void {
    response
      .writeHead(302, { location: `https://${address}:${this.port}${request.url ?? ""}`, connection: "close" })
      .end();
  }

  /** The address of a member that sees all of the repositories, when this one does not. */
  #elsewhere(member: number, ...repositories: readonly string[]): string | null {
    const sees = (host: string): boolean =>
      repositories.every(
        (sr) =>
          this.db.refs(
            "PBD",
            (each) => each["SR"] === sr && each["host"] === host && each["currently_attached"] === true,
          ).length > 0,
      );
    if (sees(this.members[member]?.ref ?? "")) return null;
    const other = this.db.refs("host").find(sees);
    return other === undefined ? null : text(this.db.get("host", other)["address"]);
  }
}

/** Self-signed, as every XenServer makes it at its installation. */
function makeCertificate(folder: string, address: string): string {
  const file = join(folder, `${address}.pem`);
  execFileSync(
    "openssl",
    [
      ..."req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(" "),
      "-subj",
      `/CN=${address}`,
      "-addext",
      `subjectAltName=IP:${address}`,
      "-keyout",
      file.replace(/pem$/, "key"),
      "-out",
      file,
    ],
    { stdio: "pipe" },
  );
  return file;
}
