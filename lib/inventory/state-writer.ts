/** What this process knows of a host's state, in the row that everybody reads. */
import { eq, sql } from "drizzle-orm";
import { hosts } from "#lib/db/schema.ts";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import { errorToJson, type ErrorJson } from "#lib/errors.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { Services } from "#lib/services/context.ts";
import { digestOf } from "./digest.ts";
import type { HostRow } from "./host-access.ts";

/** Another process, or one that is dead by now, may have written what is not so. */
const COMPARE_MS = 20_000;

type View =
  /** `current`: its inventory is read; until then the rows are as old as they were. */
  | { readonly state: "online"; readonly capabilities: HostCapabilities; readonly current: boolean }
  | { readonly state: "offline"; readonly error: ErrorJson };

type Columns = Pick<HostRow, "state" | "error" | "capabilities"> & { readonly stale: boolean };

export class HostStateWriter {
  readonly #services: Services;
  readonly #hostId: string;
  readonly #stop: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #view: View | null = null;
  #writes: Promise<void> = Promise.resolve();

  constructor(services: Services, hostId: string, stop: AbortSignal) {
    this.#services = services;
    this.#hostId = hostId;
    this.#stop = stop;
    this.#timer = setInterval(() => void this.#write(), COMPARE_MS);
    this.#timer.unref();
  }

  /** The host can be used; what it holds is being read. */
  async opened(capabilities: HostCapabilities): Promise<void> {
    await this.#become({ state: "online", capabilities, current: false });
  }

  async read(capabilities: HostCapabilities): Promise<void> {
    await this.#become({ state: "online", capabilities, current: true });
  }

  async lost(error: unknown): Promise<void> {
    const json = errorToJson(error);
    if (json.kind === "internal") this.#services.log.error({ err: error, hostId: this.#hostId }, "host session failed");
    await this.#become({ state: "offline", error: json });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #become(view: View): Promise<void> {
    this.#view = view;
    await this.#write();
  }

  #write(): Promise<void> {
    this.#writes = this.#writes
      .then(() => patiently(() => this.#compare(), { ms: Infinity, signal: this.#stop }))
      .catch((error: unknown) => {
        if (!this.#stop.aborted)
          this.#services.log.error({ err: error, hostId: this.#hostId }, "the state of a host could not be stored");
      });
    return this.#writes;
  }

  async #compare(): Promise<void> {
    const { db, events, log } = this.#services;
    const view = this.#view;
    if (view === null || this.#stop.aborted) return;
    const [row] = await db.select().from(hosts).where(eq(hosts.id, this.#hostId));
    if (row === undefined || row.removedAt !== null) return;
    const wanted = columnsOf(view, row);
    if (isSame(wanted, row)) return;
    const { stale, ...columns } = wanted;
    await db
      .update(hosts)
      .set({
        ...columns,
        // The rows stay: an inventory of yesterday, said to be so, is better than none.
        staleSince: stale ? sql`coalesce(${hosts.staleSince}, now())` : null,
        updatedAt: sql`now()`,
      })
      .where(eq(hosts.id, this.#hostId));
    if (row.state !== wanted.state) {
      const facts = { hostId: this.#hostId, host: row.name };
      if (wanted.state === "offline") log.info({ ...facts, code: wanted.error?.code }, `host lost: ${row.name}`);
      if (wanted.state === "online") log.info(facts, `host back: ${row.name}`);
    }
    events.publish({ type: "host", id: this.#hostId });
  }
}

function columnsOf(view: View, row: HostRow): Columns {
  if (view.state === "offline")
    return { state: "offline", error: view.error, capabilities: row.capabilities, stale: true };
  // Of a host that was never read there is nothing to show yet.
  if (!view.current && row.capabilities === null)
    return { state: "connecting", error: null, capabilities: null, stale: row.staleSince !== null };
  return {
    state: "online",
    error: null,
    capabilities: view.capabilities,
    stale: !view.current && row.staleSince !== null,
  };
}

function isSame(wanted: Columns, row: HostRow): boolean {
  return (
    wanted.state === row.state &&
    wanted.error?.code === row.error?.code &&
    wanted.error?.message === row.error?.message &&
    wanted.stale === (row.staleSince !== null) &&
    digestOf(wanted.capabilities) === digestOf(row.capabilities)
  );
}
