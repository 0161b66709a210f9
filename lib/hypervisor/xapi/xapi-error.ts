/** A failure as the XenAPI told it, kept whole, and its wording for a person. */
import { AppError } from "#lib/errors.ts";

export class XapiFailure extends Error {
  readonly code: string;
  readonly params: readonly string[];

  constructor(code: string, params: readonly string[]) {
    super([code, ...params].join(", "));
    this.name = "XapiFailure";
    this.code = code;
    this.params = params;
  }
}

export const isFailure = (error: unknown, ...codes: string[]): error is XapiFailure =>
  error instanceof XapiFailure && codes.includes(error.code);

const FULL = /insufficient space|no space left|ENOSPC|not enough space|disk full/i;
/** SR_BACKEND_FAILURE_44: the storage manager's code for “no room”. */
const FULL_CODES = new Set(["SR_FULL", "SR_BACKEND_FAILURE_44"]);

/** What the codes mean that people meet, with what to do. References and UUIDs say nothing to them and are left out. */
const WORDS: Readonly<Record<string, { readonly says: string; readonly hint?: string }>> = {
  HOST_NOT_ENOUGH_FREE_MEMORY: {
    says: "No member of the pool has enough free memory.",
    hint: "Give the VM less memory, or stop another one.",
  },
  NO_HOSTS_AVAILABLE: {
    says: "No member of the pool can run it.",
    hint: "Its storage and network must be reachable from one enabled member.",
  },
  VM_REQUIRES_SR: { says: "No running member of the pool reaches its storage." },
  VM_HVM_REQUIRED: {
    says: "The processors cannot run hardware-virtualised guests.",
    hint: "Enable VT-x or AMD-V in the member's firmware setup.",
  },
  VM_MISSING_PV_DRIVERS: {
    says: "The guest has no XenServer VM Tools, so nobody in it hears the request.",
    hint: "Install the tools in the guest, or stop the VM hard.",
  },
  VM_LACKS_FEATURE: {
    says: "The guest's tools do not offer that.",
    hint: "Install or update the XenServer VM Tools in the guest.",
  },
  VM_BAD_POWER_STATE: { says: "The VM is in another power state by now." },
  OTHER_OPERATION_IN_PROGRESS: { says: "Another operation is under way on it.", hint: "Try again when it has ended." },
  VDI_IN_USE: { says: "The disk is in use." },
  SR_NO_PBDS: { says: "The storage repository is not attached to any member." },
  SR_NOT_ATTACHED: { says: "The storage repository is not attached." },
  SR_OPERATION_NOT_SUPPORTED: { says: "The storage repository cannot do that." },
  RBAC_PERMISSION_DENIED: {
    says: "The account has not the right to do it.",
    hint: "It needs the role VM Power Admin or Pool Operator.",
  },
  LICENCE_RESTRICTION: { says: "The pool's licence does not allow it." },
  VDI_TOO_LARGE: {
    says: "The disk is larger than the format allows in which it is kept or sent.",
    hint: "A VHD ends at 2040 GiB. Larger disks are QCOW2s, on repositories whose driver has them (XCP-ng 8.3).",
  },
  SR_BACKEND_FAILURE_79: {
    says: "The storage repository takes no disk of that size.",
    hint: "A VHD ends at 2040 GiB. Choose a repository whose driver has QCOW2 disks (XCP-ng 8.3).",
  },
  VDI_IO_ERROR: { says: "The storage repository reported an I/O error." },
  TASK_CANCELLED: { says: "The task was cancelled on the host." },
};

/** In the product's words. What is no failure of the XenAPI is handed back as it is. */
export function asAppError(error: unknown, doing: string): unknown {
  if (!(error instanceof XapiFailure)) return error;
  const { code, params } = error;
  const details = { code };
  if (FULL_CODES.has(code) || params.some((each) => FULL.test(each))) return poolFull(doing, error);
  if (code === "SESSION_AUTHENTICATION_FAILED") {
    return new AppError("unprocessable", "host.auth-failed", `${doing}: the user name or the password is wrong.`, {
      hint: "Accounts of a directory are written as the pool knows them, e.g. DOMAIN\\name.",
      cause: error,
      details,
    });
  }
  const known = WORDS[code];
  const said = params.filter((each) => each !== "" && !/OpaqueRef:|^[0-9a-f-]{36}$/.test(each)).join(", ");
  return new AppError(
    code === "OTHER_OPERATION_IN_PROGRESS" || code === "VM_BAD_POWER_STATE" ? "conflict" : "unprocessable",
    "host.refused",
    known === undefined ? `${doing}: ${code}${said === "" ? "" : ` (${said})`}.` : `${doing}: ${known.says}`,
    {
      hint: known?.hint ?? "These are the XenAPI's own words; /var/log/xensource.log on the master says more.",
      cause: error,
      details,
    },
  );
}

export function poolFull(doing: string, cause: unknown): AppError {
  return new AppError("unprocessable", "pool.full", `${doing}: the storage repository has no room left.`, {
    hint: "Choose another one, or free space in this one.",
    cause,
  });
}
