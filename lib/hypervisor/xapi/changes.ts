/** What changed in the mirror as changes of the inventory: the first time everything, then only what an event touches. */
import type { InventoryChange, InventoryItem } from "#lib/domain/inventory.ts";
import { mapHost, mapNetwork, mapRepository } from "./map-pool.ts";
import { isVm, mapVm, ownersOf, vmsByMetrics } from "./map-vm.ts";
import type { Changed, Mirror, Refreshed } from "./mirror.ts";

export function* inventoryOf(mirror: Mirror): Iterable<InventoryItem> {
  yield mapHost(mirror);
  for (const [ref, sr] of mirror.entries("SR")) yield mapRepository(mirror, ref, sr);
  for (const [, network] of mirror.entries("network")) {
    const item = mapNetwork(mirror, network);
    if (item !== null) yield item;
  }
  for (const [, vm] of mirror.entries("VM")) if (isVm(vm)) yield mapVm(mirror, vm);
}

const keyOf = (item: InventoryItem): string => `${item.kind}\0${item.ref}`;

export class ChangeFeed {
  readonly #mirror: Mirror;
  /** What was told last, by key. */
  readonly #told = new Map<string, string>();

  constructor(mirror: Mirror) {
    this.#mirror = mirror;
  }

  *take(refreshed: Refreshed): Iterable<InventoryChange> {
    if (refreshed.all) {
      const seen = new Set<string>();
      for (const item of inventoryOf(this.#mirror)) {
        seen.add(keyOf(item));
        yield* this.#put(item);
      }
      for (const key of this.#told.keys()) if (!seen.has(key)) yield* this.#gone(key);
      return;
    }
    yield* this.#touched(refreshed.changed);
  }

  *#put(item: InventoryItem): Iterable<InventoryChange> {
    const text = JSON.stringify(item);
    if (this.#told.get(keyOf(item)) === text) return;
    this.#told.set(keyOf(item), text);
    yield { type: "put", item };
  }

  *#gone(key: string): Iterable<InventoryChange> {
    if (!this.#told.delete(key)) return;
    const [kind, ref] = key.split("\0") as [InventoryItem["kind"], string];
    yield { type: "gone", kind, ref };
  }

  *#touched(changed: readonly Changed[]): Iterable<InventoryChange> {
    const mirror = this.#mirror;
    const uuidOf = (record: unknown): string | null =>
      typeof record === "object" && record !== null && "uuid" in record ? String(record.uuid) : null;
    if (changed.some(({ name }) => name === "pool" || name === "host" || name === "host_metrics"))
      yield* this.#put(mapHost(mirror));
    const byMetrics = vmsByMetrics(mirror);
    const repositories = new Set<string>();
    const networks = new Set<string>();
    const vms = new Map<string, unknown>();
    if (changed.some(({ name }) => name === "PBD")) for (const [sr] of mirror.entries("SR")) repositories.add(sr);
    if (changed.some(({ name }) => name === "PIF"))
      for (const [network] of mirror.entries("network")) networks.add(network);
    for (const { name, ref, before } of changed) {
      if (name === "SR") repositories.add(ref);
      else if (name === "network") networks.add(ref);
      for (const vm of ownersOf(mirror, name, ref, before, byMetrics))
        vms.set(vm, name === "VM" && vm === ref ? before : (vms.get(vm) ?? null));
      if (name === "SR" && mirror.find("SR", ref) === null) yield* this.#gone(`pool\0${uuidOf(before) ?? ""}`);
      if (name === "network" && mirror.find("network", ref) === null)
        yield* this.#gone(`network\0${uuidOf(before) ?? ""}`);
    }
    for (const ref of repositories) {
      const sr = mirror.find("SR", ref);
      if (sr !== null) yield* this.#put(mapRepository(mirror, ref, sr));
    }
    for (const ref of networks) {
      const network = mirror.find("network", ref);
      const item = network === null ? null : mapNetwork(mirror, network);
      if (item !== null) yield* this.#put(item);
    }
    for (const [ref, before] of vms) {
      const vm = mirror.find("VM", ref);
      // Made into a template: it is no VM any more.
      if (vm !== null && isVm(vm)) yield* this.#put(mapVm(mirror, vm));
      else yield* this.#gone(`vm\0${vm?.uuid ?? uuidOf(before) ?? ""}`);
    }
  }
}
