/** Every message of the API that the simulator answers: what is generated for all classes, and what a class does itself. */
import { randomUUID } from "node:crypto";
import type { Database } from "./database.ts";
import type { Machines } from "./machines.ts";
import type { Storage } from "./storage.ts";
import type { Tasks } from "./tasks.ts";
import { Failure, integer, list, NULL_REF, struct, text, type Value } from "./values.ts";

export interface PoolState {
  readonly db: Database;
  readonly tasks: Tasks;
  readonly storage: Storage;
  readonly machines: Machines;
  readonly user: string;
  readonly password: string;
  readonly sessions: Set<string>;
  /** PEM by host. */
  readonly certificates: Map<string, string>;
}

type Call = (params: readonly Value[]) => Promise<Value> | Value;

const FROM_MOST_MS = 60_000;
/** Methods that only exist beside the generated ones, for system.listMethods. */
const nothing = "";

export class Calls {
  readonly #pool: PoolState;
  readonly #own: Record<string, Call>;

  constructor(pool: PoolState) {
    this.#pool = pool;
    const { db, tasks, storage, machines, certificates } = pool;
    const done = (work: () => void): Value => {
      work();
      return nothing;
    };
    this.#own = {
      "event.from": (p) => this.#eventsFrom(p),
      "event.inject": (p) => this.#inject(text(p[0]), text(p[1])),
      "host.get_servertime": () => new Date().toISOString().slice(0, 19).replaceAll("-", "") + "Z",
      "host.get_server_certificate": (p) => {
        db.get("host", p[0]);
        const pem = certificates.get(text(p[0]));
        if (pem === undefined) throw new Failure("HOST_OFFLINE", text(p[0]));
        return pem;
      },
      "SR.scan": (p) => done(() => storage.scan(text(p[0]))),
      "VDI.create": (p) => storage.createDisk(struct(p[0])),
      "VDI.destroy": (p) => done(() => storage.destroyDisk(text(p[0]))),
      "VDI.snapshot": (p) => storage.snapshotDisk(text(p[0]), "20260101T00:00:00Z"),
      "VBD.create": (p) => machines.attachDisk(struct(p[0])),
      "VBD.destroy": (p) => done(() => db.remove("VBD", text(p[0]))),
      "VIF.create": (p) => {
        const record = struct(p[0]);
        if (record["MTU"] === undefined) throw new Failure("FIELD_MISSING", "MTU");
        return machines.attachNic(record);
      },
      "VM.create": (p) => {
        const record = struct(p[0]);
        // A float: what came as an integer by JSON is another type, and JavaScript writes 1.0 as 1.
        if (Number.isInteger(record["HVM_shadow_multiplier"]))
          throw new Failure("FIELD_TYPE_ERROR", "HVM_shadow_multiplier");
        return machines.create(record);
      },
      "VM.clone": (p) => machines.clone(text(p[0]), text(p[1])),
      "VM.provision": (p) => done(() => db.update("VM", text(p[0]), { is_a_template: false })),
      "VM.destroy": (p) => done(() => machines.destroy(text(p[0]))),
      "VM.start": (p) => done(() => machines.start(text(p[0]), p[1] === true)),
      "VM.start_on": (p) => done(() => machines.start(text(p[0]), p[2] === true)),
      "VM.hard_shutdown": (p) => done(() => machines.halt(text(p[0]))),
      "VM.clean_shutdown": (p) =>
        done(() => {
          machines.requireTools(text(p[0]));
          machines.halt(text(p[0]));
        }),
      "VM.shutdown": (p) => done(() => machines.halt(text(p[0]))),
      "VM.clean_reboot": (p) =>
        done(() => {
          machines.requireTools(text(p[0]));
          machines.hardReboot(text(p[0]));
        }),
      "VM.hard_reboot": (p) => done(() => machines.hardReboot(text(p[0]))),
      "VM.pause": (p) => done(() => machines.setState(text(p[0]), "Running", "Paused")),
      "VM.unpause": (p) => done(() => machines.setState(text(p[0]), "Paused", "Running")),
      "VM.suspend": (p) => done(() => machines.setState(text(p[0]), "Running", "Suspended")),
      "VM.resume": (p) => done(() => machines.setState(text(p[0]), "Suspended", "Running")),
      "VM.snapshot": (p) => machines.snapshot(text(p[0]), text(p[1])),
      "task.create": (p) => tasks.create(text(p[0]), text(p[1])),
      "task.cancel": (p) => done(() => tasks.cancel(text(p[0]))),
      "task.destroy": (p) => done(() => tasks.destroy(text(p[0]))),
    };
  }

  login(params: readonly Value[]): string {
    const { user, password, sessions } = this.#pool;
    if (params[0] !== user || params[1] !== password)
      throw new Failure("SESSION_AUTHENTICATION_FAILED", String(params[0]), "Authentication failure");
    const session = `OpaqueRef:${randomUUID()}`;
    sessions.add(session);
    return session;
  }

  methods(): string[] {
    const { db } = this.#pool;
    return [
      ...Object.keys(this.#own),
      ...db.classes().flatMap((each) => [`${each}.get_all`, `${each}.get_all_records`, `${each}.get_record`]),
    ];
  }

  /** `params` without the session. */
  async call(method: string, params: readonly Value[]): Promise<Value> {
    if (method.startsWith("Async.")) {
      const plain = method.slice("Async.".length);
      if (this.#own[plain] === undefined) throw new Failure("MESSAGE_METHOD_UNKNOWN", method);
      return this.#pool.tasks.run(plain, async () => this.#perform(plain, params));
    }
    const fault = this.#pool.tasks.takeFault(method);
    if (fault?.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delay));
    if (fault?.fail !== undefined) throw new Failure(text(fault.fail[0]), ...fault.fail.slice(1));
    return this.#perform(method, params);
  }

  async #perform(method: string, params: readonly Value[]): Promise<Value> {
    const own = this.#own[method];
    return own === undefined ? this.#generated(method, params) : own(params);
  }

  #generated(method: string, params: readonly Value[]): Value {
    const { db } = this.#pool;
    const [given = "", verb = ""] = method.split(".");
    const name = db.classNamed(given);
    const unknown = new Failure("MESSAGE_METHOD_UNKNOWN", method);
    if (name === null) throw unknown;
    const records = (refs: readonly string[]): Value => Object.fromEntries(refs.map((ref) => [ref, db.get(name, ref)]));
    switch (verb) {
      case "get_all":
        return db.refs(name);
      case "get_all_records":
        return records(db.refs(name));
      case "get_record":
        return db.get(name, params[0]);
      case "get_by_uuid": {
        const [found] = db.refs(name, (each) => each["uuid"] === params[0]);
        if (found === undefined) throw new Failure("UUID_INVALID", name, text(params[0]));
        return found;
      }
      case "get_by_name_label":
        return db.refs(name, (each) => each["name_label"] === params[0]);
    }
    const change = /^(get|set|add_to|remove_from|add|remove)_(.+)$/.exec(verb);
    const ref = text(params[0]);
    const field = change?.[2] ?? "";
    const fields = db.get(name, ref);
    const old = fields[field];
    if (change === null || old === undefined) throw unknown;
    switch (change[1]) {
      case "get":
        return old;
      case "set":
        if (field === "uuid" || params[1] === undefined) throw unknown;
        db.update(name, ref, { [field]: typeof old === "number" ? integer(params[1]) : params[1] });
        return nothing;
      case "add_to": {
        const map = struct(old);
        if (map[text(params[1])] !== undefined)
          throw new Failure("MAP_DUPLICATE_KEY", name, field, ref, text(params[1]));
        db.update(name, ref, { [field]: { ...map, [text(params[1])]: text(params[2]) } });
        return nothing;
      }
      case "remove_from": {
        const { [text(params[1])]: _gone, ...rest } = struct(old);
        db.update(name, ref, { [field]: rest });
        return nothing;
      }
      case "add":
        db.update(name, ref, { [field]: [...new Set([...list(old), text(params[1])])] });
        return nothing;
      default:
        db.update(name, ref, { [field]: list(old).filter((each) => each !== params[1]) });
        return nothing;
    }
  }

  async #eventsFrom(params: readonly Value[]): Promise<Value> {
    const { db } = this.#pool;
    const classes = list(params[0]).map(text);
    const token = text(params[1]);
    const until = Date.now() + Math.min(FROM_MOST_MS, Number(params[2]) * 1000);
    for (;;) {
      const events = db.since(token, classes);
      const left = until - Date.now();
      // An answer to an empty token is never waited for, and what comes close together is told together.
      if (events.length > 0 || token === "" || left <= 0)
        return {
          events: events.map((event) => ({
            id: String(event.generation),
            timestamp: "0.",
            class: event.class,
            operation: event.operation,
            ref: event.ref,
            ...(event.snapshot === null ? {} : { snapshot: event.snapshot }),
          })),
          valid_ref_counts: db.counts(),
          token: `${String(db.generation).padStart(20, "0")},0`,
        };
      await db.change(left);
    }
  }

  /** An event without a change; answers with a token. */
  #inject(given: string, ref: string): Value {
    const { db } = this.#pool;
    const name = db.classNamed(given);
    if (name === null || ref === NULL_REF) throw new Failure("HANDLE_INVALID", given, ref);
    const token = `${String(db.generation).padStart(20, "0")},0`;
    db.update(name, ref, {});
    return token;
  }
}
