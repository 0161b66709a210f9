/**
 * The one interface that every vendor's adapter implements and contract.ts checks.
 *
 * An adapter instance is one session with one host. Every method honours its signal within 2 s and throws
 * AppError: `host.unreachable`, `host.auth-failed`, `host.key-changed`, `host.timeout` (kind unavailable /
 * unprocessable), `vm.exists`, `vm.not-found`, `pool.not-found`, `pool.full`, `host.refused` (with the
 * host's own words in the message). Vendors never import one another.
 */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { ContainerKind } from "#lib/domain/container.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { DiskBus, Firmware, NicModel, PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import type { ByteSink } from "#lib/disk/io.ts";
import type { OutgoingFile } from "#lib/disk/outgoing-file.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";

/** A thing made on a host, as the ledger names it. Only what was handed out by create* is ever removed. */
export interface ResourceRef {
  /** `snapshot`: what reading a running VM's disk needs while it lasts. */
  readonly kind: "disk" | "vm" | "snapshot";
  /** Host's own identifier: volume key or path, domain UUID. */
  readonly ref: string;
  /** For messages. */
  readonly label: string;
}

export interface DiskSpec {
  readonly poolRef: string;
  /** File or volume name without extension; the adapter adds its own. Letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly format: DiskFormatId;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
  /** Exact bytes of the file when known (FilePlan), else null. */
  readonly fileLength: number | null;
  /** By placement id of the capabilities; absent: the host's default. */
  readonly placement: Readonly<Record<string, string>>;
}

/** A disk into which we send the bytes. */
export interface PushedDisk {
  readonly resource: ResourceRef;
  /** Takes the bytes of a file in `spec.format`. Disposing it without commit leaves the volume to `remove`. */
  readonly sink: ByteSink;
}

/** A disk whose host fetches the bytes itself. */
export interface PulledDisk {
  readonly resource: ResourceRef;
  /** Resolves when the host has the whole file and has shown it. Throws `host.*`, `pool.full`; the disk is left to `remove`. */
  pull(file: OutgoingFile, signal?: AbortSignal): Promise<void>;
}

export type CreatedDisk = PushedDisk | PulledDisk;

/**
 * How a host takes the file of a new disk: its bytes at any place as they come (`any-order`); from front to back, as
 * many as there will be (`in-order`) or a number that is told beforehand (`known-length`); or it fetches ranges of a
 * file of known length by itself (`by-range`).
 */
export type Intake = "any-order" | "in-order" | "known-length" | "by-range";

export interface VmSpec {
  readonly name: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly firmware: Firmware;
  readonly secureBoot: boolean;
  /** What the disk says it holds, for the host's own guest type; null: unknown. */
  readonly guest: GuestFacts["os"];
  readonly placement: Readonly<Record<string, string>>;
  /** In boot order. */
  readonly disks: readonly { readonly resource: ResourceRef; readonly format: DiskFormatId; readonly bus: DiskBus }[];
  readonly nics: readonly { readonly networkRef: string; readonly model: NicModel; readonly mac: string | null }[];
  readonly description: string;
}

/** A disk read from a host. Disposing it ends whatever the reading holds there (a lease, a session, a file). */
export type HostDisk = AsyncDisposable & {
  /** What whoever keeps these bytes should know of them, a whole sentence. */
  readonly note?: string;
} & (
    | { readonly access: "random"; readonly disk: BlockSource }
    /** An export that cannot seek. */
    | { readonly access: "once"; readonly stream: DiskStream }
  );

/** What a capture reads, settled before anything is made. Plain data: it travels into threads. */
export interface CapturePlan {
  /** Names what is made on the host, so that it is found again. */
  readonly tag: string;
  /** The disks are read from one snapshot; false: from the VM itself, which stands still as long as they are read. */
  readonly ofSnapshot: boolean;
  /** In the order of making; empty: nothing is made. */
  readonly resources: readonly ResourceRef[];
  /**
   * By disk, of a VM that stands still: what its host shows to be otherwise once the VM was started or the disk
   * written, as it was when planned. A later plan with other marks tells that what was read is of two moments.
   * Absent: the host shows no such thing, or reading takes care of it.
   */
  readonly marks: Readonly<Record<string, string>>;
}

/** A whole VM as its host packs it. Disposing it ends the export there. */
export interface HostPackage extends AsyncDisposable {
  /** Once, from the first on. They end when the host says that these were all, and throw when it failed, however late. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface PackageExport {
  /** `plan`: of all disks of the VM. Makes what it names. Throws what `openDisk` throws, `host.refused`. */
  open(vmRef: string, kind: ContainerKind, plan: CapturePlan, signal?: AbortSignal): Promise<HostPackage>;
}

export interface HypervisorAdapter extends AsyncDisposable {
  /** Of this host as it is now. Read when the session was opened; `refreshCapabilities` reads anew. */
  readonly capabilities: HostCapabilities;
  refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities>;

  /** Everything, once: the host first, then pools, networks, VMs. */
  inventory(signal?: AbortSignal): AsyncIterable<InventoryItem>;
  /**
   * Changes from now on, until the signal aborts (then returns) or the session dies (then throws).
   * Missed changes between inventory() and watch() must not be lost: implementations subscribe when the
   * session opens and buffer, or begin with a full set of puts.
   */
  watch(signal: AbortSignal): AsyncIterable<InventoryChange>;

  vm(ref: string, signal?: AbortSignal): Promise<Vm>;
  power(vmRef: string, action: PowerAction, signal?: AbortSignal): Promise<void>;

  /**
   * How disks of this VM are read as they are now, all of them at one moment, and what that makes on the host: a
   * snapshot of a running one, merged copies. The ledger names `resources` before `openDisk` makes them; whoever asked
   * removes them, last to first. Throws `vm.running` when the disks would be inconsistent, `disk.cannot-capture`,
   * `disk.not-found`.
   */
  planCapture(vmRef: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan>;
  /**
   * One of the plan's disks. Makes what the plan names and is not there yet; a snapshot is made by the first and read
   * by all, also when the VM was stopped meanwhile. Throws what planning throws, `vm.running` when the plan was to read
   * a VM that stands still and it does not, and `disk.in-use`. Not to be called for two disks at once.
   */
  openDisk(vmRef: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk>;
  /** The packages of `capabilities.packages`; absent where there are none. */
  readonly packages?: PackageExport;
  /** A disk made by createDisk, for reading back. `format` is what was written: content is not asked. */
  openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk>;

  /**
   * The resource that createDisk will make for this spec, known beforehand so that the ledger can name it
   * before it exists. Deterministic; throws `pool.not-found`, and `disk.exists` if something has that name.
   */
  planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef>;
  createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk>;
  /** Of disks that `createDisk` makes: `known-length` and `by-range` need `fileLength`, and `by-range` answers a PulledDisk. */
  intake(format: DiskFormatId): Intake;
  /** Likewise for the VM: `tag` is a UUID that becomes (or is stored in) the VM's identity. */
  planVm(spec: VmSpec, tag: string): ResourceRef;
  /** Same tag twice = the same VM, not a second one. Another VM of that name: `vm.exists`. Not started. */
  createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm>;
  /** Removes what create* or openDisk made; gone already is fine. A running VM is stopped first. */
  remove(resource: ResourceRef, signal?: AbortSignal): Promise<void>;

  /** Last bytes of the guest's serial console, when capabilities.hasConsoleLog. */
  readonly consoleLog?: (vmRef: string, signal?: AbortSignal) => Promise<string>;
}

/** How one vendor is reached. `Connection` is what the add-host form collects, secrets apart. */
export interface HypervisorDriver<Connection = unknown, Secret = unknown> {
  readonly id: string;
  /** Opens a session. Peer identity that is not pinned yet: throws `host.identity-unconfirmed` with `details.fingerprint`. */
  open(connection: Connection, secret: Secret | null, signal?: AbortSignal): Promise<HypervisorAdapter>;
  /**
   * What the peer shows as its identity, for the person to confirm; null where the transport has none (local socket). Of
   * a connection with two identities the first that is not the confirmed one.
   */
  identify(
    connection: Connection,
    signal?: AbortSignal,
  ): Promise<{ kind: "ssh-host-key" | "tls-certificate"; fingerprint: string } | null>;
}
