/** Addresses of running guests. They are asked for from time to time only, and kept between. */
import type { Vm, VmNic } from "#lib/domain/inventory.ts";
import type { LibvirtClient } from "../client.ts";
import { LibvirtError } from "../libvirt-error.ts";
import type { DomainRef } from "../types.ts";

/** virDomainInterfaceAddressesSource */
const LEASE = 0;
const AGENT = 1;
const ARP = 2;

/** An address that was found stays for so long; one that was not may come at any moment. */
const FRESH_MS = 120_000;
const MISSING_MS = 25_000;
/** An agent that says nothing within this time is left alone for a while: libvirt waits for it with each question. */
const AGENT_MS = 2000;
const AGENT_REST_MS = 600_000;

/** Of one card. */
const MOST_ADDRESSES = 32;

type ByMac = ReadonlyMap<string, readonly string[]>;

interface Known {
  /** Of the running domain: another after each start. */
  readonly id: number;
  readonly byMac: ByMac;
  readonly askAt: number;
}

/** Of no use to whoever wants to reach the guest. */
const isLocal = (address: string): boolean => /^(127\.|::1$|fe80:|169\.254\.)/i.test(address);

export class GuestAddresses {
  readonly #client: Pick<LibvirtClient, "interfaceAddresses">;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  readonly #agentRests = new Map<string, number>();

  constructor(client: Pick<LibvirtClient, "interfaceAddresses">, now: () => number = Date.now) {
    this.#client = client;
    this.#now = now;
  }

  /** The VM's cards with their addresses. Nothing that goes wrong is worth an error. */
  async fill(domain: DomainRef, vm: Pick<Vm, "state" | "nics" | "tools">, signal?: AbortSignal): Promise<VmNic[]> {
    if (vm.state !== "running" || vm.nics.length === 0) {
      this.#known.delete(domain.uuid);
      return [...vm.nics];
    }
    let known = this.#known.get(domain.uuid);
    if (known === undefined || known.id !== domain.id || this.#now() >= known.askAt) {
      const byMac = await this.#ask(domain, vm, signal);
      const missing = vm.nics.some(({ mac }) => mac !== null && !byMac.has(mac.toLowerCase()));
      known = { id: domain.id, byMac, askAt: this.#now() + (missing ? MISSING_MS : FRESH_MS) };
      this.#known.set(domain.uuid, known);
    }
    const { byMac } = known;
    return vm.nics.map((nic) => ({
      ...nic,
      addresses: [...(byMac.get(nic.mac?.toLowerCase() ?? "") ?? nic.addresses)],
    }));
  }

  /** The guest knows best; else libvirt's own leases; else what the host's ARP table has seen. */
  async #ask(domain: DomainRef, vm: Pick<Vm, "nics" | "tools">, signal?: AbortSignal): Promise<ByMac> {
    const found = new Map<string, string[]>();
    const missing = (): boolean => vm.nics.some(({ mac }) => mac !== null && !found.has(mac.toLowerCase()));
    if (vm.tools === "running" && this.#now() >= (this.#agentRests.get(domain.uuid) ?? 0)) {
      const answered = await this.#source(domain, AGENT, found, AbortSignal.timeout(AGENT_MS), signal);
      if (!answered) this.#agentRests.set(domain.uuid, this.#now() + AGENT_REST_MS);
    }
    if (missing()) await this.#source(domain, LEASE, found, undefined, signal);
    if (missing()) await this.#source(domain, ARP, found, undefined, signal);
    return found;
  }

  async #source(
    domain: DomainRef,
    source: 0 | 1 | 2,
    found: Map<string, string[]>,
    limit: AbortSignal | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const signals = [limit, signal].filter((each) => each !== undefined);
    try {
      const cards = await this.#client.interfaceAddresses(domain, source, AbortSignal.any(signals));
      for (const { mac, addresses } of cards) {
        const useful = addresses.filter((address) => !isLocal(address)).slice(0, MOST_ADDRESSES);
        const key = mac?.toLowerCase() ?? "";
        if (useful.length > 0 && !found.has(key)) found.set(key, useful);
      }
      return true;
    } catch (error) {
      if (error instanceof LibvirtError || (limit?.aborted === true && signal?.aborted !== true)) return false;
      throw error;
    }
  }
}
