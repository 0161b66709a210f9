/** Checkpoints that captures need: made, found again by their name, merged away. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { type CimInstance, type CimRef, text, texts } from "#lib/wire/wsman/cim.ts";
import { embeddedInstance } from "#lib/wire/wsman/embedded.ts";
import type { ResourceRef } from "../adapter.ts";
import { SERVICE } from "./define-vm.ts";
import { CAPTURE_NAME } from "./map-vm.ts";
import { type HypervSession, V2 } from "./session.ts";

const CLASS = "Msvm_VirtualSystemSnapshotService";
const SNAPSHOTS: CimRef = { namespace: V2, className: CLASS, keys: { CreationClassName: CLASS } };
const SETTING = "Msvm_VirtualSystemSettingData";
/** Kind of checkpoint: the guest's own snapshot where it can, its memory not. */
const FULL = 2;
const APPLICATION_CONSISTENT = 1;
const APPEARS_MS = 60_000;

const nameOf = (tag: string): string => `${CAPTURE_NAME} ${tag}`;

export const planSnapshot = (vmId: string, vmName: string, tag: string): ResourceRef => ({
  kind: "snapshot",
  ref: `${vmId}/${tag}`,
  label: `the checkpoint of ${vmName}`,
});

const snapshotsOf = async (session: HypervSession, vmId: string, doing: string, signal?: AbortSignal) =>
  (await session.query(V2, `SELECT * FROM ${SETTING} WHERE VirtualSystemIdentifier = '${vmId}'`, doing, signal)).filter(
    (each) => text(each, "VirtualSystemType")?.includes(":Snapshot:") === true,
  );

/** The paths of the disks as they were, by the place of each in the machine. */
export async function makeSnapshot(
  session: HypervSession,
  vmId: string,
  vmName: string,
  tag: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const doing = `Making a checkpoint of ${vmName}`;
  const find = async (test: (each: CimInstance) => boolean) =>
    (await snapshotsOf(session, vmId, doing, signal)).find(test);
  let snapshot = await find((each) => text(each, "ElementName") === nameOf(tag));
  if (snapshot === undefined) {
    const before = new Set((await snapshotsOf(session, vmId, doing, signal)).map((each) => text(each, "InstanceID")));
    try {
      await session.invoke(
        SNAPSHOTS,
        "CreateSnapshot",
        {
          AffectedSystem: {
            namespace: V2,
            className: "Msvm_ComputerSystem",
            keys: { CreationClassName: "Msvm_ComputerSystem", Name: vmId },
          },
          SnapshotSettings: embeddedInstance("Msvm_VirtualSystemSnapshotSettingData", {
            ConsistencyLevel: ["uint16", APPLICATION_CONSISTENT],
          }),
          SnapshotType: FULL,
        },
        doing,
        signal,
      );
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "host.refused") throw error;
      throw new AppError("unprocessable", "vm.no-snapshot", error.message, {
        hint: "Free space on the drive, look at the guest's integration services, or shut the machine down and capture it then.",
        cause: error,
      });
    }
    snapshot = await find((each) => !before.has(text(each, "InstanceID")));
    if (snapshot === undefined) throw new AppError("unavailable", "host.protocol", `${doing}: the host made none.`);
    // From now on it is known by the ledger's name.
    await session.invoke(
      SERVICE,
      "ModifySystemSettings",
      {
        SystemSettings: embeddedInstance(SETTING, {
          InstanceID: ["string", text(snapshot, "InstanceID") ?? ""],
          ElementName: ["string", nameOf(tag)],
        }),
      },
      doing,
      signal,
    );
  }
  const id = text(snapshot, "InstanceID") ?? "";
  const disks = await session.query(
    V2,
    `SELECT * FROM Msvm_StorageAllocationSettingData WHERE InstanceID LIKE '${id}%'`,
    doing,
    signal,
  );
  return new Map(
    disks.map((disk) => [(text(disk, "InstanceID") ?? "").slice(id.length + 1), texts(disk, "HostResource")[0] ?? ""]),
  );
}

/** Gone already is fine. Waits until the machine runs on its own disks again. */
export async function removeSnapshot(
  session: HypervSession,
  resource: ResourceRef,
  signal?: AbortSignal,
): Promise<void> {
  const [vmId = "", tag = ""] = resource.ref.split("/");
  const doing = `Removing ${resource.label}`;
  const ours = async () =>
    (await snapshotsOf(session, vmId, doing, signal)).find((each) => text(each, "ElementName") === nameOf(tag));
  const snapshot = await ours();
  if (snapshot === undefined) return;
  await session.invoke(
    SNAPSHOTS,
    "DestroySnapshot",
    {
      AffectedSnapshot: { namespace: V2, className: SETTING, keys: { InstanceID: text(snapshot, "InstanceID") ?? "" } },
    },
    doing,
    signal,
  );
  const until = Date.now() + APPEARS_MS;
  while ((await ours()) !== undefined) {
    if (Date.now() > until)
      throw new AppError("unavailable", "host.timeout", `${doing}: it is still there a minute later.`);
    await delay(500, undefined, signal === undefined ? {} : { signal });
  }
}
