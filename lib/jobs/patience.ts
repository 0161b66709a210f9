/** The database is away for a moment: that is nobody's failure, and a statement that may run twice is tried again. */
import { setTimeout as delay } from "node:timers/promises";
import { databaseProblem } from "#lib/db/problem.ts";

const FIRST_MS = 40;
const MOST_MS = 1000;
/** Below the silence after which a job counts as lost (lease.ts): until then its worker has the job. */
const USUAL_MS = 5000;

/** The database's failure, not the job's: the job is left as it is, and goes on when the database does. */
export function isOurTrouble(error: unknown): boolean {
  return databaseProblem(error) !== null;
}

export interface Patience {
  /** How long the database may be away; then its error is thrown. */
  readonly ms?: number;
  /** Ends the waiting, not the work. */
  readonly signal?: AbortSignal;
}

/** `work` may run twice, also when it has had its effect: an answer can be lost after the commit. Not inside a transaction. */
export async function patiently<T>(work: () => Promise<T>, { ms = USUAL_MS, signal }: Patience = {}): Promise<T> {
  const late = performance.now() + ms;
  for (let pause = FIRST_MS; ; pause = Math.min(2 * pause, MOST_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isOurTrouble(error) || performance.now() + pause > late || signal?.aborted === true) throw error;
      await delay(pause * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal }).catch(
        () => undefined,
      );
    }
  }
}
