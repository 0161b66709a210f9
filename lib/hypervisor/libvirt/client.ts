/** One session with a libvirt daemon: its procedures as methods. Answers are libvirt's own; mapping is done above. */
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import { XdrReader } from "#lib/wire/xdr/reader.ts";
import { XdrWriter } from "#lib/wire/xdr/writer.ts";
import { PROC } from "./procedures.ts";
import { LibvirtRpc, type RpcStream } from "./rpc.ts";
import { openTransport } from "./transport.ts";
import {
  LIMITS,
  readDomain,
  readNamed,
  readVolume,
  uuidBytes,
  writeDomain,
  writeNamed,
  writeVolume,
  type DomainRef,
  type NamedRef,
  type VolumeRef,
} from "./types.ts";

export type LibvirtEvent =
  | { readonly type: "domain"; readonly domain: DomainRef }
  | { readonly type: "network"; readonly network: NamedRef }
  | { readonly type: "pool"; readonly pool: NamedRef };

/** Bytes of an event: a name, an id and some numbers. */
const MOST_EVENT = 4096;
const AUTH_NONE = 0;
const AUTH_POLKIT = 2;
const nothing = (): void => undefined;
const w = (): XdrWriter => new XdrWriter();

export class LibvirtClient implements AsyncDisposable {
  readonly name: string;
  readonly #rpc: LibvirtRpc;
  readonly #close: () => void;

  private constructor(rpc: LibvirtRpc, name: string, close: () => void) {
    this.#rpc = rpc;
    this.name = name;
    this.#close = close;
  }

  /** `uri`: `qemu:///system`. Throws `host.*`. */
  static async open(
    connection: LibvirtConnection,
    secret: HostSecret | null,
    uri: string,
    { signal, callMs }: { readonly signal?: AbortSignal | undefined; readonly callMs?: number | undefined } = {},
  ): Promise<LibvirtClient> {
    const transport = await openTransport(connection, secret, uri, signal);
    const rpc = new LibvirtRpc(transport.stream, transport.name, callMs);
    const client = new LibvirtClient(rpc, transport.name, transport.close);
    try {
      const offered = await rpc.call(PROC.authList, null, (r) => r.array((each) => each.int()), signal);
      if (offered.length > 0 && !offered.includes(AUTH_NONE)) {
        if (!offered.includes(AUTH_POLKIT)) {
          throw new AppError(
            "unprocessable",
            "host.auth-unsupported",
            `${transport.name} demands SASL authentication, which is not supported.`,
            { hint: "Reach it by SSH, or by TLS with a client certificate." },
          );
        }
        await rpc.call(PROC.authPolkit, null, (r) => r.int(), signal);
      }
      await rpc.call(PROC.connectOpen, w().optionalString(uri).uint(0), nothing, signal);
      rpc.startKeepalive();
      return client;
    } catch (error) {
      client.#shut();
      throw error;
    }
  }

  #shut(): void {
    this.#rpc.close();
    this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc.call(PROC.connectClose, null, nothing, AbortSignal.timeout(2000)).catch(nothing);
    this.#shut();
  }

  onClosed(listener: (error: AppError) => void): () => void {
    return this.#rpc.onClosed(listener);
  }

  // host
  hostname = (signal?: AbortSignal) => this.#rpc.call(PROC.getHostname, null, (r) => r.string(), signal);
  capabilities = (signal?: AbortSignal) => this.#rpc.call(PROC.getCapabilities, null, (r) => r.string(), signal);
  libVersion = (signal?: AbortSignal) => this.#rpc.call(PROC.getLibVersion, null, (r) => r.hyper(), signal);
  domainCapabilities = (input: { arch: string; machine: string; virtType: string }, signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.domainGetCapabilities,
      w()
        .optionalString(null)
        .optionalString(input.arch)
        .optionalString(input.machine)
        .optionalString(input.virtType)
        .uint(0),
      (r) => r.string(),
      signal,
    );

  /** Memory in bytes. */
  nodeInfo = (signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.nodeGetInfo,
      null,
      (r) => {
        // char model[32]: each char takes four bytes.
        const model = Array.from({ length: 32 }, () => r.int());
        const memory = r.hyper() * 1024;
        return { model: String.fromCharCode(...model.filter((c) => c > 0)), memory, cpus: r.int() };
      },
      signal,
    );

  /** Bytes by name (`total`, `free`, `buffers`, `cached`), as far as the host tells. */
  async memoryStats(signal?: AbortSignal): Promise<Map<string, number>> {
    const ask = (count: number) =>
      this.#rpc.call(
        PROC.nodeGetMemoryStats,
        w().int(count).int(-1).uint(0),
        (r) => ({ params: r.array((each) => [each.string(), each.hyper() * 1024] as const), count: r.int() }),
        signal,
      );
    const { count } = await ask(0);
    return new Map((await ask(count)).params);
  }

  /** Bytes. */
  freeMemory = (signal?: AbortSignal) => this.#rpc.call(PROC.nodeGetFreeMemory, null, (r) => r.hyper(), signal);

  /** XML of the host's own interfaces: bridges, bonds, cards. One without a cable counts too. */
  async interfaceXmls(signal?: AbortSignal): Promise<string[]> {
    const found = await this.#rpc.call(
      PROC.listAllInterfaces,
      w().int(1).uint(0),
      (r) => r.list((each) => ({ name: each.string(), mac: each.string() }), signal),
      signal,
    );
    return inBatches(found, ({ name, mac }) =>
      this.#rpc.call(PROC.interfaceGetXml, w().string(name).string(mac).uint(0), (r) => r.string(), signal),
    );
  }

  // domains
  domains = (signal?: AbortSignal) =>
    this.#rpc.call(PROC.listAllDomains, w().int(1).uint(0), (r) => r.list(readDomain, signal), signal);
  domainXml = (domain: DomainRef, inactive: boolean, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainGetXml, writeDomain(w(), domain).uint(inactive ? 2 : 0), (r) => r.string(), signal);
  domainState = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainGetState, writeDomain(w(), domain).uint(0), (r) => r.int(), signal);
  domainByUuid = (uuid: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainLookupByUuid, w().fixed(uuidBytes(uuid)), readDomain, signal);
  domainByName = (name: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainLookupByName, w().string(name), readDomain, signal);
  define = (xml: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainDefineFlags, w().string(xml).uint(0), readDomain, signal);
  start = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainCreateWithFlags, writeDomain(w(), domain).uint(0), nothing, signal);
  shutdown = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainShutdownFlags, writeDomain(w(), domain).uint(0), nothing, signal);
  destroy = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainDestroyFlags, writeDomain(w(), domain).uint(0), nothing, signal);
  reboot = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainReboot, writeDomain(w(), domain).uint(0), nothing, signal);
  reset = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainReset, writeDomain(w(), domain).uint(0), nothing, signal);
  suspend = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainSuspend, writeDomain(w(), domain), nothing, signal);
  resume = (domain: DomainRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainResume, writeDomain(w(), domain), nothing, signal);
  /** `flags`: virDomainUndefineFlagsValues; the drivers know some of them. */
  undefine = (domain: DomainRef, flags: number, signal?: AbortSignal) =>
    this.#rpc.call(PROC.domainUndefineFlags, writeDomain(w(), domain).uint(flags), nothing, signal);

  async snapshotXmls(domain: DomainRef, signal?: AbortSignal): Promise<string[]> {
    const snapshots = await this.#rpc.call(
      PROC.domainListAllSnapshots,
      writeDomain(w(), domain).int(1).uint(0),
      (r) => r.list((each) => ({ name: each.string(), domain: readDomain(each) }), signal),
      signal,
    );
    return inBatches(snapshots, (snapshot) =>
      this.#rpc.call(
        PROC.snapshotGetXml,
        writeDomain(w().string(snapshot.name), snapshot.domain).uint(0),
        (r) => r.string(),
        signal,
      ),
    );
  }

  // networks: 1 inactive, 2 active
  networks = (active: boolean, signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.listAllNetworks,
      w()
        .int(1)
        .uint(active ? 2 : 1),
      (r) => r.list(readNamed, signal),
      signal,
    );
  networkXml = (network: NamedRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.networkGetXml, writeNamed(w(), network).uint(0), (r) => r.string(), signal);

  // storage
  pools = (active: boolean, signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.listAllPools,
      w()
        .int(1)
        .uint(active ? 2 : 1),
      (r) => r.list(readNamed, signal),
      signal,
    );
  poolByName = (name: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.poolLookupByName, w().string(name), readNamed, signal);
  poolXml = (pool: NamedRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.poolGetXml, writeNamed(w(), pool).uint(0), (r) => r.string(), signal);
  poolRefresh = (pool: NamedRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.poolRefresh, writeNamed(w(), pool).uint(0), nothing, signal);
  poolInfo = (pool: NamedRef, signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.poolGetInfo,
      writeNamed(w(), pool),
      (r) => ({ state: r.uint(), capacity: r.hyper(), allocation: r.hyper(), available: r.hyper() }),
      signal,
    );
  volumeByName = (pool: NamedRef, name: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.volLookupByName, writeNamed(w(), pool).string(name), readVolume, signal);
  volumeByPath = (path: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.volLookupByPath, w().string(path), readVolume, signal);
  createVolume = (pool: NamedRef, xml: string, signal?: AbortSignal) =>
    this.#rpc.call(PROC.volCreateXml, writeNamed(w(), pool).string(xml).uint(0), readVolume, signal);
  deleteVolume = (volume: VolumeRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.volDelete, writeVolume(w(), volume).uint(0), nothing, signal);
  /** `physical`: length of the file. Flag 1 asks for that instead of what is allocated. */
  volumeInfo = (volume: VolumeRef, signal?: AbortSignal) =>
    this.#rpc.call(
      PROC.volGetInfoFlags,
      writeVolume(w(), volume).uint(1),
      (r) => ({ type: r.int(), capacity: r.hyper(), physical: r.hyper() }),
      signal,
    );

  volumeXml = (volume: VolumeRef, signal?: AbortSignal) =>
    this.#rpc.call(PROC.volGetXml, writeVolume(w(), volume).uint(0), (r) => r.string(), signal);

  /** Raw bytes of the volume's file; flag 1: holes are told as such. */
  download = (volume: VolumeRef, offset: number, length: number, signal?: AbortSignal): Promise<RpcStream> =>
    this.#rpc.openStream(PROC.volDownload, writeVolume(w(), volume).hyper(offset).hyper(length).uint(1), signal);
  upload = (volume: VolumeRef, signal?: AbortSignal): Promise<RpcStream> =>
    this.#rpc.openStream(PROC.volUpload, writeVolume(w(), volume).hyper(0).hyper(0).uint(1), signal);

  /** Registers for everything that has events; calls back until the session ends. */
  async subscribe(listener: (event: LibvirtEvent) => void, signal?: AbortSignal): Promise<void> {
    this.#rpc.onEvent((procedure, payload) => {
      // Ten thousand may wait: what has a longer name than any shows when everything is read anew.
      if (payload.length > MOST_EVENT) return;
      const reader = new XdrReader(payload, LIMITS);
      reader.int();
      if (procedure === PROC.domainEventLifecycle) listener({ type: "domain", domain: readDomain(reader) });
      else if (procedure === PROC.networkEventLifecycle) listener({ type: "network", network: readNamed(reader) });
      else if (procedure === PROC.poolEventLifecycle || procedure === PROC.poolEventRefresh)
        listener({ type: "pool", pool: readNamed(reader) });
    });
    const lifecycle = w().int(0).uint(0);
    await this.#rpc.call(PROC.domainEventRegister, lifecycle, (r) => r.int(), signal);
    await this.#rpc.call(PROC.networkEventRegister, lifecycle, (r) => r.int(), signal);
    await this.#rpc.call(PROC.poolEventRegister, lifecycle, (r) => r.int(), signal);
    await this.#rpc.call(PROC.poolEventRegister, w().int(1).uint(0), (r) => r.int(), signal);
  }
}

/** Descriptions that are asked for side by side, and the characters of all of them. */
const BATCH = 16;
const MOST_TEXT = 64 * 1024 ** 2;

/** A description of each, in their order. Throws `host.protocol` when they are more than any host has. */
async function inBatches<T>(items: readonly T[], read: (item: T) => Promise<string>): Promise<string[]> {
  const texts: string[] = [];
  let length = 0;
  for (let at = 0; at < items.length; at += BATCH) {
    for (const text of await Promise.all(items.slice(at, at + BATCH).map(read))) {
      length += text.length;
      texts.push(text);
    }
    if (length > MOST_TEXT) {
      throw new AppError(
        "unavailable",
        "host.protocol",
        `The host describes ${items.length} things in too many words.`,
      );
    }
  }
  return texts;
}
