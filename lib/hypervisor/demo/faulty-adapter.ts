/** A simulated host as its faults have it. */
import { setTimeout as delay } from "node:timers/promises";
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, HypervisorAdapter, PushedDisk } from "../adapter.ts";
import type { DemoAdapter } from "./demo-adapter.ts";
import { readFaults, setFaults } from "./faults.ts";

const LOOK_MS = 150;
const CALLS = new Set<PropertyKey>([
  "refreshCapabilities",
  "vm",
  "power",
  "planCapture",
  "openDisk",
  "openResource",
  "planDisk",
  "createDisk",
  "createVm",
  "remove",
] satisfies (keyof HypervisorAdapter)[]);

type Call = (...args: readonly unknown[]) => Promise<unknown>;

/** Throws as an adapter does that cannot reach its host. */
export async function withFaults(
  adapter: DemoAdapter,
  folder: string,
  signal?: AbortSignal,
): Promise<HypervisorAdapter> {
  const line = new Line(folder);
  await line.pass(signal);
  return new Proxy(adapter as HypervisorAdapter, {
    get(target, key) {
      if (key === Symbol.asyncDispose) return () => line.end(() => adapter[Symbol.asyncDispose]());
      if (key === "inventory") return (stop?: AbortSignal) => line.inventory(target.inventory(stop), stop);
      if (key === "watch") return (stop: AbortSignal) => line.watch(target, stop);
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function" || !CALLS.has(key)) return value;
      const call = value.bind(target) as Call;
      return (...args: readonly unknown[]) => line.call(key, call, args);
    },
  });
}

class Line {
  readonly #folder: string;
  #ended = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Resolves while the host answers. */
  async pass(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#ended)
        throw new AppError("unavailable", "host.session-ended", "The session was closed under its user.");
      const { away, silent } = await readFaults(this.#folder);
      if (away) throw new AppError("unavailable", "host.unreachable", "The simulated host is unplugged.");
      if (!silent) return;
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async end(dispose: () => Promise<void>): Promise<void> {
    this.#ended = true;
    await dispose();
  }

  async call(key: PropertyKey, call: Call, args: readonly unknown[]): Promise<unknown> {
    const signal = args.find((each) => each instanceof AbortSignal);
    await this.pass(signal);
    const faults = await readFaults(this.#folder);
    if (key === "createDisk") return this.#cut((await call(...args)) as PushedDisk, args[0] as DiskSpec);
    if (key === "power" && args[1] === "start" && faults.refusesStart)
      throw new AppError("unprocessable", "host.refused", "The simulated host starts nothing today.");
    if (key === "createVm") await this.#wait(faults.defineMs, signal);
    return call(...args);
  }

  async *inventory<T extends { readonly kind: string }>(
    items: AsyncIterable<T>,
    signal?: AbortSignal,
  ): AsyncIterable<T> {
    await this.pass(signal);
    let vms = 0;
    for await (const item of items) {
      if (item.kind === "vm" && (vms += 1) === 2)
        await this.#wait((await readFaults(this.#folder)).inventoryMs, signal);
      yield item;
    }
  }

  async *watch(adapter: HypervisorAdapter, signal: AbortSignal) {
    const broken = new AbortController();
    let why: unknown = null;
    const timer = setInterval(() => {
      this.pass(signal).catch((error: unknown) => {
        why = error;
        broken.abort();
      });
    }, LOOK_MS);
    try {
      yield* adapter.watch(AbortSignal.any([signal, broken.signal]));
      if (!signal.aborted && why !== null) throw why;
    } finally {
      clearInterval(timer);
    }
  }

  /** In steps: the fault may be taken back meanwhile, and the session closed. */
  async #wait(ms: number, signal?: AbortSignal): Promise<void> {
    const until = performance.now() + ms;
    while (performance.now() < until) {
      await delay(Math.min(LOOK_MS, ms), undefined, { signal });
      await this.pass(signal);
    }
  }

  async #cut(disk: PushedDisk, spec: DiskSpec): Promise<PushedDisk> {
    const faults = await readFaults(this.#folder);
    const [cut, ...cuts] = faults.cuts;
    if (cut === undefined) return disk;
    await setFaults(this.#folder, { ...faults, cuts });
    const { sink } = disk;
    let left = cut;
    const write: typeof sink.write = async (offset, bytes, signal) => {
      await this.pass(signal);
      left -= bytes.length;
      if (left < 0)
        throw new AppError("unavailable", "host.unreachable", `The line was cut while ${spec.name} was on its way.`);
      await sink.write(offset, bytes, signal);
    };
    // Without `hold` and `allocate`, so that every byte goes by here.
    const lined: ByteSink = {
      seekable: sink.seekable,
      write,
      commit: (length, signal) => sink.commit(length, signal),
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    };
    return { resource: disk.resource, sink: lined };
  }
}
