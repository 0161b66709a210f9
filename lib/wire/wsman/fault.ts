/** What a WinRM listener answers when it will not. Source: DSP0226 14, [MS-WSMV] 2.2.4.43. */
import { AppError } from "#lib/errors.ts";
import { at, type Element, textAt } from "../soap/element.ts";

export class WsmanFault extends Error {
  /** Local name of the subcode: `TimedOut`, `AccessDenied`, `QuotaLimit`, `InvalidSelectors`, `DestinationUnreachable`. */
  readonly subcode: string;
  /** Windows' number: 2150858793 and the like; 0: none given. */
  readonly number: number;

  constructor(subcode: string, number: number, message: string) {
    super(message);
    this.name = "WsmanFault";
    this.subcode = subcode;
    this.number = number;
  }
}

/** The host needs more time: ask again. */
export const TIMED_OUT = 2150858793;
const TEXT_LIMIT = 600;

/** Null: the body is no fault. */
export function readFault(body: Element): WsmanFault | null {
  const fault = at(body, "Fault");
  if (fault === undefined) return null;
  const sub = textAt(fault, "Code", "Subcode", "Value") ?? textAt(fault, "Code", "Value") ?? "";
  const detail = at(fault, "Detail", "WSManFault");
  const provider = at(detail, "Message", "ProviderFault", "WSManFault", "Message") ?? at(detail, "Message");
  const words = (provider?.text ?? "").trim() || (textAt(fault, "Reason", "Text") ?? "").trim();
  return new WsmanFault(
    sub.slice(sub.indexOf(":") + 1),
    Number(detail?.attributes?.["Code"] ?? 0) || 0,
    words.slice(0, TEXT_LIMIT) || "The host gave no reason.",
  );
}

const HINT: Readonly<Record<string, readonly [string, string]>> = {
  AccessDenied: [
    "host.forbidden",
    "The account needs to be in Hyper-V Administrators and Remote Management Users, or be an administrator whose rights " +
      "are not cut for remote use (LocalAccountTokenFilterPolicy=1).",
  ],
  QuotaLimit: ["host.quota", "Wait a little, or raise MaxShellsPerUser and MaxConcurrentOperationsPerUser of WinRM."],
};

/** A fault as something to tell a person; everything else as it is. `doing`: "Reading the VMs". */
export function asAppError(error: unknown, doing: string): unknown {
  if (!(error instanceof WsmanFault)) return error;
  const [code, hint] = HINT[error.subcode] ?? ["host.refused", undefined];
  return new AppError("unprocessable", code, `${doing} failed: ${error.message}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
