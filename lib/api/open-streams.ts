/**
 * The event streams that are open, each under the session or token that opened it. One question to the database for
 * all of them, every few seconds: a stream does not outlive what opened it.
 */
import { STILL_ALIVE_EVERY_MS, stillAlive, type SessionLimits } from "#lib/auth/sessions.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx, Credential, Services } from "#lib/services/context.ts";

/** Browser tabs of one person; each holds a connection and what waits for it. */
const MOST_PER_PERSON = 20;
const RETRY_SECONDS = 30;

interface OpenStream {
  readonly credential: Credential;
  readonly ended: () => void;
}

export class OpenStreams {
  readonly #services: Pick<Services, "db" | "log">;
  readonly #limits: SessionLimits;
  readonly #open = new Set<OpenStream>();
  readonly #perPerson = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(services: Pick<Services, "db" | "log">, limits: SessionLimits) {
    this.#services = services;
    this.#limits = limits;
  }

  /** `ended` is called once, when the credential no longer counts. Answers what to call when the stream closes. Throws `events.too-many`. */
  add({ actor }: Ctx, ended: () => void): () => void {
    const person = actor.id ?? "";
    const open = this.#perPerson.get(person) ?? 0;
    if (open >= MOST_PER_PERSON) {
      throw new AppError("too-many", "events.too-many", `${actor.name} has ${MOST_PER_PERSON} event streams open.`, {
        hint: "Close pages of the console that are no longer needed, or end scripts that listen.",
        details: { retryAfter: RETRY_SECONDS },
      });
    }
    this.#perPerson.set(person, open + 1);
    const stream = actor.credential === undefined ? null : { credential: actor.credential, ended };
    if (stream !== null) this.#open.add(stream);
    this.#timer ??= setInterval(() => void this.#check(), STILL_ALIVE_EVERY_MS).unref();
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      if (stream !== null) this.#open.delete(stream);
      const left = (this.#perPerson.get(person) ?? 1) - 1;
      if (left === 0) this.#perPerson.delete(person);
      else this.#perPerson.set(person, left);
      if (this.#perPerson.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  async #check(): Promise<void> {
    const streams = [...this.#open];
    const idsOf = (kind: Credential["kind"]) => [
      ...new Set(streams.filter(({ credential }) => credential.kind === kind).map(({ credential }) => credential.id)),
    ];
    try {
      const alive = await stillAlive(this.#services.db, this.#limits, {
        sessions: idsOf("session"),
        tokens: idsOf("token"),
      });
      for (const stream of streams) if (!alive.has(stream.credential.id)) stream.ended();
    } catch (error) {
      // Nothing is known to have ended; the next round asks again.
      this.#services.log.warn({ err: error }, "open event streams could not be checked");
    }
  }
}
