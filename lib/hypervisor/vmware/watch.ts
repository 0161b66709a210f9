/** The host's changes as the product's, from a feed; a feed that is lost is opened anew and everything is told again. */
import { createHash } from "node:crypto";
import type { InventoryChange, InventoryItem, InventoryKind } from "#lib/domain/inventory.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { sortInSlices } from "#lib/wire/sort-in-slices.ts";
import { Feed } from "./feed.ts";
import { readInfrastructure, type Infrastructure } from "./infrastructure.ts";
import { structureItems } from "./items.ts";
import { mapVm, VM_PATHS } from "./map-vm.ts";
import { retrieve } from "./properties.ts";
import type { Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";
import { isFault } from "./vim-fault.ts";

/** Free space and the like are read anew this often. */
const FIGURES_MS = 30_000;
/** VMs asked for in one call. */
const BATCH = 200;
/** A host that ends each collector at once is given up. */
const MOST_LOSSES = 3;

/** What an inventory has begun: the feed whose first answer it was, and what it found. */
export interface Begun {
  readonly feed: Feed;
  readonly infra: Infrastructure;
  readonly vms: Set<string>;
}

/** Everything, once; `keep` is given the feed, which then tells what changed since. */
export async function* readInventory(
  client: VimClient,
  keep: (begun: Begun) => void,
  signal: AbortSignal,
): AsyncGenerator<InventoryItem> {
  const feed = await Feed.open(client, signal);
  let kept = false;
  try {
    const infra = await readInfrastructure(client, { signal });
    yield* await structureItems(client, infra, signal);
    const vms = new Set<string>();
    for await (const update of feed.next(signal)) {
      if (update.ref.type !== "VirtualMachine" || update.kind === "leave") continue;
      vms.add(update.ref.id);
      yield mapVm(update, infra);
    }
    kept = true;
    keep({ feed, infra, vms });
  } finally {
    if (!kept) await feed[Symbol.asyncDispose]();
  }
}

export async function* watchInventory(
  client: VimClient,
  begun: Begun | null,
  signal: AbortSignal,
): AsyncGenerator<InventoryChange> {
  const watch = new Watch(client);
  let current = begun;
  let losses = 0;
  try {
    for (;;) {
      try {
        if (current === null) {
          const seen: { begun: Begun | null } = { begun: null };
          const items: InventoryItem[] = [];
          const keep = (next: Begun): void => {
            seen.begun = next;
          };
          for await (const item of readInventory(client, keep, signal)) {
            if (item.kind === "vm") yield { type: "put", item };
            else items.push(item);
          }
          current = seen.begun;
          if (current === null) return;
          yield* watch.structure(items, signal);
          yield* watch.vanished(current.vms);
        }
        yield* watch.begin(current, signal);
        for (;;) {
          yield* watch.round(current, signal);
          losses = 0;
        }
      } catch (error) {
        if (!isFault(error, "ManagedObjectNotFound", "InvalidCollectorVersion", "NotAuthenticated")) throw error;
        losses += 1;
        if (losses >= MOST_LOSSES) throw error;
        await current?.feed[Symbol.asyncDispose]();
        current = null;
      }
    }
  } finally {
    await current?.feed[Symbol.asyncDispose]();
  }
}

class Watch {
  readonly #client: VimClient;
  /** Everything but VMs, as it was last told. */
  readonly #known = new Map<string, string>();
  #vms = new Set<string>();
  #infra: Infrastructure | null = null;
  #names = "";
  #readAt = 0;

  constructor(client: VimClient) {
    this.#client = client;
  }

  async *begin({ infra, vms }: Begun, signal: AbortSignal): AsyncGenerator<InventoryChange> {
    this.#vms = vms;
    this.#infra = infra;
    this.#names = await namesOf(infra, signal);
    this.#readAt = Date.now();
    yield* this.structure(await structureItems(this.#client, infra, signal), signal);
  }

  *vanished(now: ReadonlySet<string>): Generator<InventoryChange> {
    for (const ref of this.#vms) if (!now.has(ref)) yield { type: "gone", kind: "vm", ref };
  }

  async *structure(items: readonly InventoryItem[], signal: AbortSignal): AsyncGenerator<InventoryChange> {
    const seen = new Set<string>();
    for await (const item of inSlices(items, signal)) {
      const key = `${item.kind}\n${item.ref}`;
      seen.add(key);
      const text = JSON.stringify(item);
      if (this.#known.get(key) === text) continue;
      this.#known.set(key, text);
      yield { type: "put", item };
    }
    for (const key of [...this.#known.keys()]) {
      if (seen.has(key)) continue;
      this.#known.delete(key);
      const [kind = "", ref = ""] = key.split("\n");
      yield { type: "gone", kind: kind as InventoryKind, ref };
    }
  }

  /** Waits for changes and tells them. */
  async *round({ feed }: Begun, signal: AbortSignal): AsyncGenerator<InventoryChange> {
    const changed = new Map<string, Ref>();
    let structure = Date.now() - this.#readAt > FIGURES_MS;
    for await (const update of feed.next(signal)) {
      const { ref } = update;
      if (ref.type !== "VirtualMachine") structure = true;
      else if (update.kind === "leave") {
        changed.delete(ref.id);
        if (this.#vms.delete(ref.id)) yield { type: "gone", kind: "vm", ref: ref.id };
      } else changed.set(ref.id, ref);
    }
    if (structure || this.#infra === null || Date.now() - this.#readAt > FIGURES_MS) {
      const infra = await readInfrastructure(this.#client, { signal });
      this.#infra = infra;
      this.#readAt = Date.now();
      yield* this.structure(await structureItems(this.#client, infra, signal), signal);
      const names = await namesOf(infra, signal);
      // Folders, clusters and hosts stand in the VMs' rows by their names.
      if (names !== this.#names) for (const id of this.#vms) changed.set(id, { type: "VirtualMachine", id });
      this.#names = names;
    }
    yield* this.#read([...changed.values()], this.#infra, signal);
  }

  /** An update brings parts: the whole VM is asked for. One that is gone by then comes as `leave`. */
  async *#read(vms: readonly Ref[], infra: Infrastructure, signal: AbortSignal): AsyncGenerator<InventoryChange> {
    for (let from = 0; from < vms.length; from += BATCH) {
      let batch = vms.slice(from, from + BATCH);
      while (batch.length > 0) {
        try {
          for await (const object of retrieve(this.#client, [{ type: "VirtualMachine", paths: VM_PATHS }], batch, {
            signal,
          })) {
            this.#vms.add(object.ref.id);
            yield { type: "put", item: mapVm(object, infra) };
          }
          break;
        } catch (error) {
          const gone = isFault(error, "ManagedObjectNotFound") ? error.missing : null;
          if (gone === null || !batch.some((each) => each.id === gone)) throw error;
          batch = batch.filter((each) => each.id !== gone);
        }
      }
    }
  }
}

/** A digest of what of the structure shows in VMs, in whichever order the host tells it. */
async function namesOf(infra: Infrastructure, signal: AbortSignal): Promise<string> {
  const parts: string[] = [];
  for (const kind of [infra.datacenters, infra.folders, infra.computes, infra.hosts, infra.networks])
    for await (const { ref, name, parent } of inSlices(kind.values(), signal))
      parts.push(`${ref.id}\t${name}\t${parent ?? ""}\n`);
  const hash = createHash("sha256");
  const sorted = await sortInSlices(parts, (a, b) => (a < b ? -1 : a > b ? 1 : 0), signal);
  for await (const part of inSlices(sorted, signal)) hash.update(part);
  return hash.digest("hex");
}
