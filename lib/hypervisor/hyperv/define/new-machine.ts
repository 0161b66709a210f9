/** What making a machine takes, and the service that makes it. */
import type { CimRef } from "#lib/wire/wsman/cim.ts";
import type { VmSpec } from "../../adapter.ts";
import { type HypervSession, V2 } from "../session.ts";

const SERVICE_CLASS = "Msvm_VirtualSystemManagementService";
export const SERVICE: CimRef = { namespace: V2, className: SERVICE_CLASS, keys: { CreationClassName: SERVICE_CLASS } };

export interface NewMachine {
  readonly session: HypervSession;
  readonly computerName: string;
  readonly spec: VmSpec;
  readonly tag: string;
  readonly signal?: AbortSignal;
}

/** Settings of a machine as it is. */
export const configurationOf = (id: string): CimRef => ({
  namespace: V2,
  className: "Msvm_VirtualSystemSettingData",
  keys: { InstanceID: `Microsoft:${id}` },
});
