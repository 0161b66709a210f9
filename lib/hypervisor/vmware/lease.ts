/**
 * A lease of the network file copy (NFC): files of one VM, over HTTPS, in or out. It dies when no progress is told.
 * Source: "vSphere Web Services API", HttpNfcLease.
 */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { HttpsPeer } from "#lib/wire/https/https-peer.ts";
import { all, at, flagAt, numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { addressesOf, hostOf, isSpokenTo, isUnknown } from "./lease-host.ts";
import { propertiesOf } from "./properties.ts";
import { refOf, type Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";
import { asAppError, isFault, vimFault, VimFault } from "./vim-fault.ts";

/** Making the VM's files, or the first look at those of an export, without any progress. */
const READY_MS = 300_000;
const KEEP_MS = 10_000;
const CLOSE_MS = 1800;
const ANSWER_MS = 20_000;
const DEFAULT_TIMEOUT_S = 300;

export interface LeaseDevice {
  /** `/vm-42/ParaVirtualSCSIController0:0` */
  readonly key: string;
  readonly url: string;
  /** SHA-1 of the certificate of the host that the address names; empty: it is the one that we speak to. */
  readonly thumbprint: string;
  readonly isDisk: boolean;
}

export class Lease implements AsyncDisposable {
  readonly #client: VimClient;
  readonly #ref: Ref;
  readonly #doing: string;
  readonly devices: readonly LeaseDevice[];
  readonly vm: Ref | null;
  readonly #peers: HttpsPeer[] = [];
  readonly #generation: number;
  readonly #broken = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #over = false;
  percent = 0;

  private constructor(client: VimClient, self: Ref, doing: string, info: Element, generation: number) {
    this.#client = client;
    this.#ref = self;
    this.#doing = doing;
    this.#generation = generation;
    this.vm = refOf(at(info, "entity"));
    this.devices = all(info, "deviceUrl").map((url) => ({
      key: textAt(url, "key") ?? "",
      url: textAt(url, "url") ?? "",
      thumbprint: textAt(url, "sslThumbprint") ?? "",
      isDisk: flagAt(url, "disk") ?? true,
    }));
    // Well before the host loses patience, whatever that host's patience is.
    const patience = (numberAt(info, "leaseTimeout") ?? DEFAULT_TIMEOUT_S) * 1000;
    this.#timer = setInterval(() => void this.#keep(), Math.max(200, Math.min(KEEP_MS, patience / 4)));
    this.#timer.unref();
  }

  /** Waits until the lease is ready. Throws AppError in the words of `doing`. */
  static async ready(client: VimClient, self: Ref, doing: string, signal?: AbortSignal): Promise<Lease> {
    const { generation } = client;
    let until = Date.now() + READY_MS;
    let percent = "";
    try {
      for (let wait = 20; ; wait = Math.min(wait * 2, 1000)) {
        const now = await propertiesOf(client, self, ["state", "info", "error", "initializeProgress"], { signal });
        const state = now.get("state")?.text ?? "";
        const info = now.get("info");
        if (state === "ready" && info !== undefined) return new Lease(client, self, doing, info, generation);
        if (state === "error" || state === "done") throw leaseFault(now.get("error"));
        const reached = now.get("initializeProgress")?.text ?? "";
        if (reached !== percent) until = Date.now() + READY_MS;
        percent = reached;
        if (Date.now() > until)
          throw new AppError("unavailable", "host.timeout", `${doing}: the host does not get ready for the transfer.`);
        await delay(wait, undefined, signal === undefined ? {} : { signal });
      }
    } catch (error) {
      await client
        .call("HttpNfcLeaseAbort", self, xml``, { timeout: CLOSE_MS, signal: AbortSignal.timeout(CLOSE_MS) })
        .catch(() => undefined);
      if (signal?.aborted === true) throw signal.reason;
      throw asAppError(error, doing);
    }
  }

  /** Aborts when the lease is lost: what goes over it is worthless then. */
  get lost(): AbortSignal {
    return this.#broken.signal;
  }

  /**
   * A connection to the host that the device's address names, and the path there. Throws `host.identity-unconfirmed`,
   * `host.unreachable`, what vCenter throws.
   */
  async target(
    device: LeaseDevice,
    signal?: AbortSignal,
  ): Promise<{ readonly peer: HttpsPeer; readonly path: string }> {
    // `*`: the host that we speak to.
    const url = new URL(device.url.replace("://*", "://placeholder.invalid"));
    const path = `${url.pathname}${url.search}`;
    if (url.hostname === "placeholder.invalid" || isSpokenTo(url, this.#client.connection))
      return { peer: this.#client.peer, path };
    if (device.thumbprint === "")
      throw new AppError(
        "unprocessable",
        "host.identity-unconfirmed",
        `${this.#doing}: the host names ${url.host} for the transfer without its certificate.`,
      );
    const port = Number(url.port || 443);
    const name = hostOf(url);
    const peer = (host: string): HttpsPeer => this.#peer(host, port, device.thumbprint);
    if (!(await isUnknown(name, signal))) return { peer: peer(name), path };
    for (const address of await addressesOf(this.#client, name, this.vm, signal)) {
      const found = peer(address);
      if (await answers(found, signal)) return { peer: found, path };
    }
    throw new AppError(
      "unavailable",
      "host.unreachable",
      `${this.#doing}: the disk goes by ${url.host}, a name that nothing here resolves, and the host was not found at the addresses that ${this.#client.name} knows of it.`,
      { hint: `Let the machine of Supravisor resolve ${name} and reach it at port ${port}.` },
    );
  }

  /** vCenter, whose certificate was confirmed, vouches for its ESXi hosts by their thumbprints. */
  #peer(host: string, port: number, thumbprint: string): HttpsPeer {
    const peer = new HttpsPeer({
      host,
      port,
      certificate: null,
      thumbprint: thumbprint.replaceAll(":", "").toLowerCase(),
      ca: null,
      clientCertificate: null,
      clientKey: null,
    });
    this.#peers.push(peer);
    return peer;
  }

  async #keep(): Promise<void> {
    if (this.#over) return;
    try {
      await this.#client.call(
        "HttpNfcLeaseProgress",
        this.#ref,
        xml`<percent>${Math.max(0, Math.min(100, Math.floor(this.percent)))}</percent>`,
        {
          timeout: 30_000,
        },
      );
    } catch (error) {
      // A host that is busy answers the next time; a fault is an end.
      if (this.#over || !(error instanceof VimFault)) return;
      this.#broken.abort(await this.explain(error));
    }
  }

  /** Why a transfer ended: the lease knows better than the connection that broke. */
  async explain(error: unknown): Promise<unknown> {
    if (error instanceof AppError && error.code === "host.lease-lost") return error;
    if (this.#client.generation !== this.#generation)
      return this.#lostLease("the session of the transfer has ended", error);
    try {
      const now = await propertiesOf(this.#client, this.#ref, ["state", "error"], {
        timeout: 5000,
        signal: AbortSignal.timeout(5000),
      });
      if (this.#client.generation !== this.#generation)
        return this.#lostLease("the session of the transfer has ended", error);
      if (now.get("state")?.text !== "error") return asAppError(error, this.#doing);
      const fault = leaseFault(now.get("error"));
      return isFault(fault, "Timedout", "RequestCanceled", "InvalidState", "ManagedObjectNotFound")
        ? this.#lostLease(fault.message.replace(/\.$/, ""), fault)
        : asAppError(fault, this.#doing);
    } catch (other) {
      if (isFault(other, "ManagedObjectNotFound", "NotAuthenticated"))
        return this.#lostLease("it is over on the host", error);
      return asAppError(error, this.#doing);
    }
  }

  #lostLease(why: string, cause: unknown): AppError {
    return new AppError("unavailable", "host.lease-lost", `${this.#doing}: the host has ended the transfer: ${why}.`, {
      hint: "Nothing is left of it on the host. Try again.",
      cause,
    });
  }

  /** All has been transferred: an import's VM is there for good. */
  async complete(signal?: AbortSignal): Promise<void> {
    try {
      await this.#client.call("HttpNfcLeaseComplete", this.#ref, xml``, { signal, timeout: READY_MS });
      this.#close();
    } catch (error) {
      throw await this.explain(error);
    }
  }

  #close(): void {
    this.#over = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Not complete: given up, and the host removes what an import had made. */
  async [Symbol.asyncDispose](): Promise<void> {
    const given = !this.#over;
    this.#close();
    for (const peer of this.#peers) await peer[Symbol.asyncDispose]();
    if (given)
      await this.#client
        .call("HttpNfcLeaseAbort", this.#ref, xml``, { timeout: CLOSE_MS, signal: AbortSignal.timeout(CLOSE_MS) })
        .catch(() => undefined);
  }
}

function leaseFault(error: Element | undefined): VimFault {
  return vimFault(at(error, "fault") ?? null, textAt(error, "localizedMessage") ?? "The lease is over.");
}

/** Shows the certificate that was named for it. */
async function answers(peer: HttpsPeer, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await (await peer.request({ method: "HEAD", path: "/", timeout: ANSWER_MS, signal })).text(1);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof AppError) return false;
    throw error;
  }
}
