/** Tasks: they take time, fail, stay pending for ever, and are cancelled. */
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./database.ts";
import { dateText, Failure, NULL_REF, text, type Value } from "./values.ts";
import { writeValue } from "./xml-rpc.ts";

/** What a test makes go wrong with the next call of a method (or the next `import`, `export`). */
export interface Fault {
  readonly method: string;
  /** Error code and parameters. */
  readonly fail?: readonly string[];
  readonly stayPending?: boolean;
  /** Milliseconds before the work begins; of exports, before each block. */
  readonly delay?: number;
  /** Imports and exports: after so many bytes. */
  readonly afterBytes?: number;
  /** Cuts the connection without a word. */
  readonly cut?: boolean;
}

/** Aborts when the task is cancelled, or when whoever reads is gone. */
export function endOf(response: ServerResponse, task: AbortSignal): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Failure("INTERNAL_ERROR", "EPIPE")));
  return AbortSignal.any([task, gone.signal]);
}

export class Tasks {
  readonly #db: Database;
  readonly #stops = new Map<string, AbortController>();
  readonly faults: Fault[] = [];
  /** How long an asynchronous call takes at least. */
  latencyMs = 20;

  constructor(db: Database) {
    this.#db = db;
  }

  takeFault(method: string): Fault | null {
    const index = this.faults.findIndex((fault) => fault.method === method);
    return index < 0 ? null : (this.faults.splice(index, 1)[0] ?? null);
  }

  create(label: string, description = ""): string {
    const ref = this.#db.insert("task", {
      name_label: label,
      name_description: description,
      allowed_operations: ["cancel"],
      current_operations: {},
      created: dateText(),
      finished: "19700101T00:00:00Z",
      status: "pending",
      resident_on: NULL_REF,
      progress: 0,
      type: "<none/>",
      result: "",
      error_info: [],
      other_config: {},
      subtask_of: NULL_REF,
      subtasks: [],
      backtrace: "()",
    });
    this.#stops.set(ref, new AbortController());
    return ref;
  }

  isPending(ref: string): boolean {
    return this.#db.find("task", ref)?.["status"] === "pending";
  }

  /** Aborts when somebody cancels the task. */
  signal(ref: string): AbortSignal {
    return this.#stops.get(ref)?.signal ?? new AbortController().signal;
  }

  progress(ref: string, value: number): void {
    if (this.isPending(ref)) this.#db.update("task", ref, { progress: Math.min(1, value) });
  }

  complete(ref: string, result: Value | null): void {
    if (!this.isPending(ref)) return;
    this.#db.update("task", ref, {
      status: "success",
      progress: 1,
      finished: dateText(),
      allowed_operations: [],
      result: result === null || result === "" ? "" : writeValue(result),
    });
  }

  fail(ref: string, error: unknown): void {
    if (!this.isPending(ref)) return;
    this.#db.update("task", ref, {
      status: "failure",
      finished: dateText(),
      allowed_operations: [],
      error_info: error instanceof Failure ? [...error.description] : ["INTERNAL_ERROR", String(error)],
    });
  }

  cancel(ref: string): void {
    this.#db.get("task", ref);
    if (!this.isPending(ref)) return;
    this.#db.update("task", ref, {
      status: "cancelled",
      finished: dateText(),
      allowed_operations: [],
      error_info: ["TASK_CANCELLED", ref],
    });
    this.#stops.get(ref)?.abort();
  }

  destroy(ref: string): void {
    this.#db.get("task", ref);
    this.#stops.delete(ref);
    this.#db.remove("task", ref);
  }

  /** Answers with the task at once; the work goes on behind. */
  run(method: string, work: () => Promise<Value>): string {
    const ref = this.create(`Async.${method}`);
    const fault = this.takeFault(method);
    void (async () => {
      try {
        await delay(fault?.delay ?? this.latencyMs);
        if (fault?.stayPending === true || !this.isPending(ref)) return;
        if (fault?.fail !== undefined) throw new Failure(text(fault.fail[0]), ...fault.fail.slice(1));
        this.complete(ref, await work());
      } catch (error) {
        this.fail(ref, error);
      }
    })();
    return ref;
  }
}
