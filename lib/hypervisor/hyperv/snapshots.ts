/** Checkpoints that captures need: made, found again by their name, merged away. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { abortable } from "#lib/wire/abortable.ts";
import { type CimInstance, type CimRef, text, texts } from "#lib/wire/wsman/cim.ts";
import type { ResourceRef } from "../adapter.ts";
import { CAPTURE_NAME } from "./map-vm.ts";
import { SERVICE } from "./define/new-machine.ts";
import { type HypervSession, systemRef, V2 } from "./session.ts";
import { setting } from "./setting.ts";

const CLASS = "Msvm_VirtualSystemSnapshotService";
const SNAPSHOTS: CimRef = { namespace: V2, className: CLASS, keys: { CreationClassName: CLASS } };
const SETTING = "Msvm_VirtualSystemSettingData";
/** Kind of checkpoint: the guest's own snapshot where it can, its memory not. */
const FULL = 2;
/** ConsistencyLevel: the guest brings its disks to rest, or they are as after a power failure. */
const APPLICATION_CONSISTENT = 1;
const CRASH_CONSISTENT = 2;
/** Guests take their time to come to rest; a checkpoint that nobody waits for any more is named all the same. */
const MAKING_MS = 10 * 60_000;

const nameOf = (tag: string): string => `${CAPTURE_NAME} ${tag}`;
const idOf = (snapshot: CimInstance | undefined): string => text(snapshot, "InstanceID") ?? "";

export const planSnapshot = (vmId: string, vmName: string, tag: string): ResourceRef => ({
  kind: "snapshot",
  ref: `${vmId}/${tag}`,
  label: `the checkpoint of ${vmName}`,
});

export class CaptureSnapshots {
  readonly #session: HypervSession;
  /** Checkpoints that are being made and have no name of ours yet, by ResourceRef.ref. */
  readonly #making = new Map<string, Promise<unknown>>();
  /** What there is to tell of a checkpoint that was made here, by ResourceRef.ref. */
  readonly #notes = new Map<string, string>();

  constructor(session: HypervSession) {
    this.#session = session;
  }

  async #of(vmId: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    const wql = `SELECT * FROM ${SETTING} WHERE VirtualSystemIdentifier = '${vmId}'`;
    const found = await this.#session.query(V2, wql, doing, signal);
    return found.filter((each) => text(each, "VirtualSystemType")?.includes(":Snapshot:") === true);
  }

  async find(vmId: string, tag: string, doing: string, signal?: AbortSignal): Promise<CimInstance | undefined> {
    return (await this.#of(vmId, doing, signal)).find((each) => text(each, "ElementName") === nameOf(tag));
  }

  /** The paths of the disks as they were, by the place of each in the machine. Throws `vm.no-snapshot`. */
  async make(vmId: string, vmName: string, tag: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const doing = `Making a checkpoint of ${vmName}`;
    let snapshot = await this.find(vmId, tag, doing, signal);
    if (snapshot === undefined) {
      const key = planSnapshot(vmId, vmName, tag).ref;
      const making = this.#create(vmId, vmName, tag, AbortSignal.timeout(MAKING_MS)).finally(() =>
        this.#making.delete(key),
      );
      this.#making.set(key, making);
      snapshot = await abortable(making, signal);
    }
    const id = idOf(snapshot);
    const disks = await this.#session.query(
      V2,
      `SELECT * FROM Msvm_StorageAllocationSettingData WHERE InstanceID LIKE '${id}%'`,
      doing,
      signal,
    );
    return new Map(disks.map((disk) => [idOf(disk).slice(id.length + 1), texts(disk, "HostResource")[0] ?? ""]));
  }

  /** The host chooses a checkpoint's first name: until it has ours, it must not be left alone. */
  async #create(vmId: string, vmName: string, tag: string, signal: AbortSignal): Promise<CimInstance> {
    const doing = `Making a checkpoint of ${vmName}`;
    const before = new Set((await this.#of(vmId, doing, signal)).map(idOf));
    const ask = (ConsistencyLevel: number) =>
      this.#session.invoke(
        SNAPSHOTS,
        "CreateSnapshot",
        {
          AffectedSystem: systemRef(vmId),
          SnapshotSettings: setting("Msvm_VirtualSystemSnapshotSettingData", { ConsistencyLevel }),
          SnapshotType: FULL,
        },
        doing,
        signal,
      );
    try {
      await ask(APPLICATION_CONSISTENT).catch(async (error: unknown) => {
        if (!(error instanceof AppError) || error.code !== "host.refused") throw error;
        // The guest cannot, or not now: its integration services, VSS in Windows, hv_vss_daemon in Linux. A try that
        // failed late may have left its checkpoint: that one is taken, and no second one is made.
        const left = (await this.#of(vmId, doing, signal)).filter((each) => !before.has(idOf(each)));
        if (left.length === 0) await ask(CRASH_CONSISTENT);
        this.#notes.set(
          planSnapshot(vmId, vmName, tag).ref,
          `${vmName} could not bring its disks to rest: they were read as after a power failure. ${error.message}`,
        );
      });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "host.refused") throw error;
      throw new AppError("unprocessable", "vm.no-snapshot", error.message, {
        hint: "Free space on the drive, look at the guest's integration services, or shut the machine down and capture it then.",
        cause: error,
      });
    }
    const appeared = (await this.#of(vmId, doing, signal)).filter((each) => !before.has(idOf(each)));
    const [snapshot] = appeared;
    if (snapshot === undefined) throw new AppError("unavailable", "host.protocol", `${doing}: the host made none.`);
    // Nothing says which of two is ours, and what is named here is removed later: better to leave both.
    if (appeared.length > 1) {
      throw new AppError("conflict", "vm.no-snapshot", `${doing}: somebody else made one at the same moment.`, {
        hint: `Both were left: ${appeared.map((each) => text(each, "ElementName")).join(", ")}. Remove what you do not want, then capture again.`,
      });
    }
    await this.#session.invoke(
      SERVICE,
      "ModifySystemSettings",
      {
        SystemSettings: setting(SETTING, { InstanceID: idOf(snapshot), ElementName: nameOf(tag) }),
      },
      doing,
      signal,
    );
    return snapshot;
  }

  /** What there is to tell of the checkpoint, once: with the first disk that is read. */
  takeNote(vmId: string, vmName: string, tag: string): string | null {
    const { ref } = planSnapshot(vmId, vmName, tag);
    const note = this.#notes.get(ref) ?? null;
    this.#notes.delete(ref);
    return note;
  }

  /** Gone already is fine. Waits until the host no longer lists it. */
  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    const [vmId = "", tag = ""] = resource.ref.split("/");
    const doing = `Removing ${resource.label}`;
    await abortable(this.#making.get(resource.ref)?.catch(() => undefined) ?? Promise.resolve(), signal);
    this.#notes.delete(resource.ref);
    const snapshot = await this.find(vmId, tag, doing, signal);
    if (snapshot === undefined) return;
    await this.#session.invoke(
      SNAPSHOTS,
      "DestroySnapshot",
      { AffectedSnapshot: { namespace: V2, className: SETTING, keys: { InstanceID: idOf(snapshot) } } },
      doing,
      signal,
    );
    // Of a machine that runs the host goes on merging after its job has ended.
    const until = Date.now() + this.#session.stuckAfter;
    while ((await this.find(vmId, tag, doing, signal)) !== undefined) {
      if (Date.now() > until)
        throw new AppError("unavailable", "host.timeout", `${doing}: the host still lists it long after.`, {
          hint: "Look at the host's Hyper-V-VMMS event log.",
        });
      await abortable(delay(500), signal);
    }
  }
}
