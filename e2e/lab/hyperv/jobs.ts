/** Work that takes time: 4096 and a job to follow. Source: Msvm_ConcreteJob. */
import { randomUUID } from "node:crypto";
import type { CimStore } from "./cim-store.ts";
import type { MethodResult } from "./enumerations.ts";

export const STARTED = 4096;
const RUNNING = 4;
const COMPLETED = 7;
const TERMINATED = 8;
const EXCEPTION = 10;

/** A method that ends with a number rather than a result: 32775 invalid state, 32773 invalid parameter, … */
export class Refusal extends Error {
  readonly returnValue: number;

  constructor(returnValue: number, message: string) {
    super(message);
    this.returnValue = returnValue;
  }
}

export class Jobs {
  readonly #store: CimStore;
  /** How long a job takes. Milliseconds. */
  takes = 30;
  /** Names of jobs that fail from now on, and with what words. */
  readonly failing = new Map<string, string>();
  /** Names of jobs that never end. */
  readonly stuck = new Set<string>();

  constructor(store: CimStore) {
    this.#store = store;
  }

  /** Ends a job that runs. */
  terminate(instanceId: string): void {
    for (const job of this.#store.where("Msvm_ConcreteJob", (values) => values["InstanceID"] === instanceId)) {
      if (job.values["JobState"] !== RUNNING) continue;
      job.values["JobState"] = TERMINATED;
      job.values["ErrorDescription"] = "The operation was cancelled.";
    }
  }

  /**
   * `work` is done when the job's time is over; its results are told at once, as Hyper-V tells references of things
   * that the job is still making.
   */
  start(name: string, work: () => void | Promise<void>, results: MethodResult = {}): MethodResult {
    const job = this.#store.add("Msvm_ConcreteJob", {
      InstanceID: randomUUID().toUpperCase(),
      ElementName: name,
      JobState: RUNNING,
      PercentComplete: 0,
      ErrorCode: null,
      ErrorDescription: null,
      ErrorSummaryDescription: null,
    });
    const fail = (why: string) => {
      job.values["JobState"] = EXCEPTION;
      job.values["ErrorCode"] = 32768;
      job.values["ErrorDescription"] = why;
      job.values["ErrorSummaryDescription"] = why;
    };
    if (!this.stuck.has(name)) {
      setTimeout(() => {
        if (job.values["JobState"] !== RUNNING) return;
        const why = this.failing.get(name);
        if (why !== undefined) return fail(why);
        Promise.resolve()
          .then(work)
          .then(
            () => {
              job.values["JobState"] = COMPLETED;
              job.values["PercentComplete"] = 100;
            },
            (error: unknown) => fail(error instanceof Error ? error.message : String(error)),
          );
      }, this.takes);
    }
    return { ...results, Job: this.#store.ref(job), ReturnValue: STARTED };
  }
}
