/** Events on their way to the other processes: gathered, cut into messages, and when some are lost, that is said. */
import { backoffMs } from "#lib/db/backoff.ts";
import type { LiveEvent } from "#lib/domain/page.ts";

export interface Outbox {
  add(event: LiveEvent): void;
  /** Sends what waits; gives up what cannot be sent now. */
  close(): Promise<void>;
}

/** NOTIFY takes 8,000 bytes; the envelope is part of them. */
const MAX_PAYLOAD = 7000;
const GATHER_MS = 30;
const GAP: LiveEvent = { type: "gap" };

export function openOutbox(send: (events: readonly LiveEvent[]) => Promise<void>): Outbox {
  let waiting: LiveEvent[] = [];
  let timer: NodeJS.Timeout | null = null;
  let sending: Promise<void> = Promise.resolve();
  let failures = 0;
  let closed = false;

  const flush = async (): Promise<void> => {
    const events = waiting;
    waiting = [];
    try {
      for (const batch of batches(events)) await send(batch);
      failures = 0;
    } catch {
      // Which of them arrived is not known; all of them in one word, until that word is through.
      failures += 1;
      waiting = [GAP];
      schedule(backoffMs(failures));
    }
  };
  const schedule = (ms: number): void => {
    if (closed || timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      sending = sending.then(flush);
    }, ms);
  };
  return {
    add(event) {
      // A gap is owed already, which holds this one too.
      if (failures > 0 && waiting[0]?.type === "gap") return;
      waiting.push(event);
      schedule(GATHER_MS);
    },
    async close() {
      closed = true;
      if (timer !== null) {
        clearTimeout(timer);
        timer = null;
        if (failures === 0) sending = sending.then(flush);
      }
      await sending;
    },
  };
}

/** An event too large for a message is told as a gap. */
function* batches(events: readonly LiveEvent[]): Generator<LiveEvent[]> {
  let batch: LiveEvent[] = [];
  let size = 0;
  for (const event of events) {
    const length = Buffer.byteLength(JSON.stringify(event)) + 1;
    const fits = length <= MAX_PAYLOAD;
    if (batch.length > 0 && (!fits || size + length > MAX_PAYLOAD)) {
      yield batch;
      batch = [];
      size = 0;
    }
    if (fits) {
      batch.push(event);
      size += length;
    } else yield [GAP];
  }
  if (batch.length > 0) yield batch;
}
