/** One host for as long as the server runs: opened, read, followed, and opened again after a loss. */
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { Services } from "#lib/services/context.ts";
import { backoffMs, pause } from "./backoff.ts";
import { HostConnection } from "./connection.ts";
import { accessDigest, hostNotFound, loadHostAccess, openAdapter } from "./host-access.ts";
import { InventoryPump } from "./pump.ts";
import { HostStateWriter } from "./state-writer.ts";
import { within } from "./within.ts";

const OPEN_TIMEOUT_MS = 30_000;

export class HostSession {
  readonly hostId: string;
  readonly #services: Services;
  readonly #stop = new AbortController();
  /** Cuts a back-off or a reading short; renewed every round. */
  #round = new AbortController();
  readonly #connection: HostConnection;
  readonly #pump: InventoryPump;
  readonly #state: HostStateWriter;
  readonly done: Promise<void>;
  digest = "";

  constructor(services: Services, hostId: string) {
    this.#services = services;
    this.hostId = hostId;
    this.#connection = new HostConnection((error) =>
      services.log.debug({ err: error, hostId }, "closing a session failed"),
    );
    this.#pump = new InventoryPump(services, hostId, this.#stop.signal);
    this.#state = new HostStateWriter(services, hostId, this.#stop.signal);
    this.done = this.#run();
  }

  /** Runs `work` with the open adapter. Throws what `HostConnection.use` throws. */
  use<T>(work: (adapter: HypervisorAdapter) => Promise<T>, signal?: AbortSignal, patienceMs?: number): Promise<T> {
    return this.#connection.use(work, signal, patienceMs);
  }

  /** Opens the host again beside what is in use, and reads everything: connection changed, or a person asked. */
  restart(): void {
    this.#round.abort();
  }

  /** The open adapter does not answer: nobody gets it any more. */
  drop(error: AppError): void {
    this.#connection.lose(error);
    this.#round.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#round.abort();
    await this.done;
  }

  noteVm(vm: Vm): Promise<void> {
    return this.#pump.noteVm(vm);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#round = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, this.#round.signal]);
      let wasRead = false;
      try {
        await this.#hold(signal, () => {
          wasRead = true;
          failures = 0;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (error instanceof AppError && error.code === hostNotFound().code) break;
        // A restart that somebody asked for is no failure of the host.
        if (this.#round.signal.aborted) continue;
        this.#connection.lose(error);
        await this.#state.lost(error);
        await pause(backoffMs(failures), signal);
        failures = wasRead ? 0 : failures + 1;
      }
    }
    this.#state.close();
    await this.#connection.close();
    this.#pump.flush();
  }

  async #hold(signal: AbortSignal, onRead: () => void): Promise<void> {
    const access = await patiently(() => loadHostAccess(this.#services, this.hostId), { ms: Infinity, signal });
    this.digest = accessDigest(access.row);
    const { name } = access.row;
    const opened = await within(OPEN_TIMEOUT_MS, name, signal, (stop) => openAdapter(this.#services, access, stop));
    // From here on callers use it, whatever becomes of the reading.
    this.#connection.accept(opened);
    await this.#connection.use(async (adapter) => {
      await this.#state.opened(adapter.capabilities);
      await this.#pump.run(adapter, name, signal, async () => {
        await this.#state.read(adapter.capabilities);
        onRead();
      });
    }, signal);
    signal.throwIfAborted();
    throw new AppError("unavailable", "host.session-ended", `${name} ended the session.`);
  }
}
