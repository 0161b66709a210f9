/** A fault as vSphere told it, kept whole, and its wording for a person. */
import { AppError, type ErrorDetails } from "#lib/errors.ts";
import { all, at, textAt, type Element } from "#lib/wire/soap/element.ts";

export class VimFault extends Error {
  /** `InvalidPowerState`, `NoPermission`, … */
  readonly fault: string;
  readonly detail: Element | null;

  constructor(fault: string, words: string, detail: Element | null) {
    super(words);
    this.name = "VimFault";
    this.fault = fault;
    this.detail = detail;
  }

  /** Of ManagedObjectNotFound: the object's id. */
  get missing(): string | null {
    return textAt(this.detail ?? undefined, "obj");
  }
}

/** Of a SOAP fault or of a LocalizedMethodFault: `detail` is the typed fault, `words` may be empty. */
export function vimFault(detail: Element | null, words: string): VimFault {
  const fault = detail === null ? "RuntimeFault" : (detail.type ?? detail.name.replace(/Fault$/, ""));
  const reasons = all(detail ?? undefined, "faultMessage").flatMap((message) => textAt(message, "message") ?? []);
  const property = textAt(detail ?? undefined, "invalidProperty") ?? textAt(detail ?? undefined, "property");
  const said = [words, ...reasons].filter((text) => text.trim() !== "").join(" ");
  return new VimFault(fault, said === "" ? `${fault}${property === null ? "" : ` (${property})`}` : said, detail);
}

export const isFault = (error: unknown, ...faults: string[]): error is VimFault =>
  error instanceof VimFault && faults.includes(error.fault);

const FULL = ["NoDiskSpace", "InsufficientDisks", "InsufficientStorageSpace", "NotEnoughStorageSpace", "FileTooLarge"];

/** In the product's words; the rest is the host's refusal with its own words. */
export function asAppError(error: unknown, doing: string): unknown {
  if (!(error instanceof VimFault)) return error;
  const details: ErrorDetails = { fault: error.fault };
  const own = `${doing}: ${error.message.replace(/\.$/, "")}.`;
  if (FULL.includes(error.fault) || /no space left|insufficient disk space/i.test(error.message)) {
    return new AppError("unprocessable", "pool.full", `${doing}: the datastore has no room left.`, {
      hint: "Choose another datastore, or free space in this one.",
      cause: error,
      details,
    });
  }
  switch (error.fault) {
    case "InvalidLogin":
      return new AppError("unprocessable", "host.auth-failed", `${doing}: the user name or the password is wrong.`, {
        hint: "vCenter takes names like administrator@vsphere.local, an ESXi host its own users like root.",
        cause: error,
        details,
      });
    case "PasswordExpired":
      return new AppError("unprocessable", "host.auth-failed", `${doing}: the password of the user has expired.`, {
        hint: "Sign in to vSphere as this user, set a new password, and give it on the host's page.",
        cause: error,
        details,
      });
    case "NotAuthenticated":
      return new AppError("unavailable", "host.session-lost", `${doing}: the host has ended the session.`, {
        hint: "Try again; Supravisor signs in anew.",
        cause: error,
        details,
      });
    case "NoPermission": {
      const privilege = textAt(error.detail ?? undefined, "privilegeId");
      const object = at(error.detail ?? undefined, "object")?.text ?? null;
      return new AppError(
        "unprocessable",
        "host.no-permission",
        `${doing}: the user lacks ${privilege === null ? "a privilege" : `the privilege ${privilege}`}${object === null ? "" : ` on ${object}`}.`,
        {
          hint: "docs/hosts/vmware.md lists the privileges that a role for Supravisor needs.",
          cause: error,
          details: { ...details, ...(privilege === null ? {} : { privilege }) },
        },
      );
    }
    case "DuplicateName":
      return new AppError("conflict", "vm.exists", `${doing}: something has that name already.`, {
        hint: "Choose another name.",
        cause: error,
        details,
      });
    case "FileAlreadyExists":
      return new AppError("conflict", "disk.exists", own, { hint: "Choose another name.", cause: error, details });
    case "FileLocked":
    case "TaskInProgress":
    case "ResourceInUse":
      return new AppError("conflict", "disk.in-use", own, {
        hint: "Another task works on it: a backup, an export, a migration. Try again when it is over.",
        cause: error,
        details,
      });
    case "RestrictedVersion":
      return new AppError("unprocessable", "host.read-only", `${doing}: the licence of the host forbids it.`, {
        hint: "The free licence of ESXi lets programs read, but not change anything.",
        cause: error,
        details,
      });
    case "ManagedObjectNotFound":
      return new AppError("not-found", "host.object-gone", `${doing}: it is not there any more.`, {
        cause: error,
        details,
      });
    default:
      return new AppError("unprocessable", "host.refused", own, {
        hint: "These are vSphere's own words; the task list of the host may say more.",
        cause: error,
        details,
      });
  }
}
