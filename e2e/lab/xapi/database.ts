/** The pool's objects and what happened to them, in order: enough to answer event.from from any token. */
import { randomUUID } from "node:crypto";
import { Failure, type Fields, type Value } from "./values.ts";

interface Entry {
  readonly ref: string;
  fields: Fields;
  readonly created: number;
  modified: number;
}

export interface Event {
  readonly class: string;
  readonly operation: "add" | "mod" | "del";
  readonly ref: string;
  readonly snapshot: Fields | null;
  readonly generation: number;
}

export class Database {
  readonly #tables = new Map<string, Map<string, Entry>>();
  #deleted: { readonly class: string; readonly ref: string; readonly generation: number }[] = [];
  #generation = 1;
  /** Tokens below this one name deletions that are forgotten. */
  #floor = 0;
  #waiting = new Set<() => void>();

  get generation(): number {
    return this.#generation;
  }

  /** Class names as the API spells them. */
  classes(): string[] {
    return [...this.#tables.keys()];
  }

  declare(...classes: string[]): void {
    for (const name of classes) if (!this.#tables.has(name)) this.#tables.set(name, new Map());
  }

  /** The class by its name in any case; `MESSAGE_METHOD_UNKNOWN` is for the caller to say. */
  classNamed(name: string): string | null {
    return this.classes().find((each) => each.toLowerCase() === name.toLowerCase()) ?? null;
  }

  #table(name: string): Map<string, Entry> {
    const table = this.#tables.get(name);
    if (table === undefined) throw new Failure("INTERNAL_ERROR", `no class ${name}`);
    return table;
  }

  #happened(): number {
    this.#generation += 1;
    queueMicrotask(() => {
      for (const wake of [...this.#waiting]) wake();
    });
    return this.#generation;
  }

  insert(name: string, fields: Fields): string {
    const ref = `OpaqueRef:${randomUUID()}`;
    const generation = this.#happened();
    this.#table(name).set(ref, {
      ref,
      fields: { uuid: randomUUID(), ...fields },
      created: generation,
      modified: generation,
    });
    return ref;
  }

  find(name: string, ref: Value | undefined): Fields | null {
    return typeof ref === "string" ? (this.#table(name).get(ref)?.fields ?? null) : null;
  }

  get(name: string, ref: Value | undefined): Fields {
    const found = this.find(name, ref);
    if (found === null) throw new Failure("HANDLE_INVALID", name, String(ref));
    return found;
  }

  refs(name: string, test: (fields: Fields, ref: string) => boolean = () => true): string[] {
    return [...this.#table(name).values()].filter((each) => test(each.fields, each.ref)).map((each) => each.ref);
  }

  update(name: string, ref: string, changes: Fields): void {
    const entry = this.#table(name).get(ref);
    if (entry === undefined) throw new Failure("HANDLE_INVALID", name, ref);
    entry.fields = { ...entry.fields, ...changes };
    entry.modified = this.#happened();
  }

  remove(name: string, ref: string): void {
    if (!this.#table(name).delete(ref)) return;
    this.#deleted.push({ class: name, ref, generation: this.#happened() });
  }

  /** As after a long silence: older tokens get EVENTS_LOST. */
  forgetEvents(): void {
    this.#deleted = [];
    this.#floor = this.#generation + 1;
    this.#happened();
  }

  since(token: string, classes: readonly string[]): Event[] {
    const from = token === "" ? 0 : Number(token.split(",")[0]);
    if (!Number.isSafeInteger(from)) throw new Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token);
    if (token !== "" && from < this.#floor) throw new Failure("EVENTS_LOST");
    const wanted = classes.map((each) => each.toLowerCase());
    const wants = (name: string, ref: string): boolean =>
      wanted.includes("*") || wanted.includes(name.toLowerCase()) || wanted.includes(`${name}/${ref}`.toLowerCase());
    const events: Event[] = [];
    for (const [name, table] of this.#tables)
      for (const entry of table.values())
        if (entry.modified > from && wants(name, entry.ref))
          events.push({
            class: name.toLowerCase(),
            operation: entry.created > from ? "add" : "mod",
            ref: entry.ref,
            snapshot: entry.fields,
            generation: entry.modified,
          });
    if (from > 0)
      for (const gone of this.#deleted)
        if (gone.generation > from && wants(gone.class, gone.ref))
          events.push({
            class: gone.class.toLowerCase(),
            operation: "del",
            ref: gone.ref,
            snapshot: null,
            generation: gone.generation,
          });
    return events.sort((a, b) => a.generation - b.generation);
  }

  /** Until something happens, or for so long. */
  async change(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  counts(): Fields {
    return Object.fromEntries([...this.#tables].map(([name, table]) => [name.toLowerCase(), table.size]));
  }
}
