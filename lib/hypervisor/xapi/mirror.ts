/** The pool's records, followed by event.from and its token. After lost events or another session everything is read anew. */
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import { Slices } from "#lib/wire/slices.ts";
import { parseRecord, RECORD_CLASSES, type RecordClass, type RecordOf } from "./records.ts";
import type { XapiSession } from "./session.ts";
import { isFailure } from "./xapi-error.ts";

/** The events are looked at one by one: there may be a million. */
const Batch = z.object({ token: z.string(), events: z.custom<readonly unknown[]>(Array.isArray) });
const Event = z.object({
  class: z.string(),
  operation: z.string(),
  ref: z.string(),
  snapshot: z.unknown().optional(),
});

const CLASS_OF = new Map(RECORD_CLASSES.map((name) => [name.toLowerCase(), name]));
/** Beyond what the host was asked to wait. */
const ANSWER_MS = 60_000;

/** What is looked through as a whole. Pools have 64 members and some thousands of VMs, templates and snapshots at most. */
const MOST: Partial<Record<RecordClass, number>> = { pool: 16, host: 1024, SR: 16_384, network: 16_384, VM: 131_072 };
/** Of the other classes. */
const MOST_OTHERS = 524_288;

export interface Changed {
  readonly name: RecordClass;
  readonly ref: string;
  /** As it was before, when it was known. */
  readonly before: unknown;
}

/** What came: everything anew, or what changed since. */
export type Refreshed = { readonly all: true } | { readonly all: false; readonly changed: readonly Changed[] };

export class Mirror {
  readonly #session: XapiSession;
  #tables = new Map<RecordClass, Map<string, unknown>>();
  /** Whether a running member reaches a storage repository, by its reference, as far as it was asked since the last change. */
  readonly #reached = new Map<string, boolean>();
  #token = "";
  #login = -1;

  constructor(session: XapiSession) {
    this.#session = session;
  }

  find<C extends RecordClass>(name: C, ref: string): RecordOf<C> | null {
    return (this.#tables.get(name)?.get(ref) as RecordOf<C> | undefined) ?? null;
  }

  entries<C extends RecordClass>(name: C): [string, RecordOf<C>][] {
    return [...(this.#tables.get(name) ?? [])] as [string, RecordOf<C>][];
  }

  reaches(sr: string): boolean {
    const known = this.#reached.get(sr);
    if (known !== undefined) return known;
    const pbds = this.find("SR", sr)?.PBDs ?? [];
    const reached = pbds.some((pbd) => this.find("PBD", pbd)?.currently_attached ?? false);
    this.#reached.set(sr, reached);
    return reached;
  }

  /** Waits up to so many seconds for something to happen; 0: only what is already there. */
  async refresh(seconds: number, signal?: AbortSignal): Promise<Refreshed> {
    const anew = this.#token === "" || this.#login !== this.#session.logins;
    try {
      return await this.#take(anew ? "" : this.#token, seconds, signal);
    } catch (error) {
      const lost = isFailure(error, "EVENTS_LOST", "EVENT_FROM_TOKEN_PARSE_FAILURE");
      if (!lost) throw error;
      return await this.#take("", 0, signal);
    }
  }

  #event(given: unknown): z.infer<typeof Event> {
    const event = Event.safeParse(given);
    if (event.success) return event.data;
    throw new AppError("unavailable", "host.protocol", `${this.#session.name} tells of an event that is none.`);
  }

  async #take(token: string, seconds: number, signal?: AbortSignal): Promise<Refreshed> {
    const login = this.#session.logins;
    // A float in every encoding: the API's type for the time.
    const wait = seconds + 0.1;
    const batch = await this.#session.call(
      "event.from",
      [RECORD_CLASSES, token, wait],
      Batch,
      signal,
      seconds * 1000 + ANSWER_MS,
    );
    // The session was renewed while this waited, perhaps with another master: its token counts for nothing.
    if (token !== "" && this.#session.logins !== login) return await this.#take("", 0, signal);
    if (token === "") this.#tables = new Map(RECORD_CLASSES.map((name) => [name, new Map<string, unknown>()]));
    this.#reached.clear();
    // Once each, as it was before all of them.
    const changed = new Map<string, Changed>();
    const slices = new Slices();
    for (const each of batch.events) {
      if (slices.over) await slices.rest(signal);
      const event = this.#event(each);
      const name = CLASS_OF.get(event.class.toLowerCase());
      const table = name === undefined ? undefined : this.#tables.get(name);
      if (name === undefined || table === undefined) continue;
      const key = `${name}\0${event.ref}`;
      if (!changed.has(key)) changed.set(key, { name, ref: event.ref, before: table.get(event.ref) });
      const record = event.operation === "del" ? null : parseRecord(name, event.snapshot);
      if (record === null) table.delete(event.ref);
      else table.set(event.ref, record);
      const most = MOST[name] ?? MOST_OTHERS;
      if (table.size > most)
        throw new AppError(
          "unavailable",
          "host.protocol",
          `${this.#session.name} tells of more than ${most} records of the class ${name}.`,
        );
    }
    // Whoever looked while this waited saw what was half-way.
    this.#reached.clear();
    this.#token = batch.token;
    this.#login = this.#session.logins;
    if (token === "" && this.#tables.get("pool")?.size === 0)
      throw new AppError("unprocessable", "host.not-xapi", `${this.#session.name} tells of no pool.`);
    return token === "" ? { all: true } : { all: false, changed: [...changed.values()] };
  }
}
