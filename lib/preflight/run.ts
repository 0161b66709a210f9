/** Image × host × choices → findings. Pure: the same facts give the same findings on the server and in the page. */
import type { Finding, Severity } from "#lib/domain/finding.ts";
import type { KnownContext, PreflightContext, PreflightRule } from "./context.ts";
import { deviceRules } from "./rules/devices.ts";
import { firmwareRules } from "./rules/firmware.ts";
import { hostRules } from "./rules/host.ts";
import { libraryRules } from "./rules/library.ts";
import { machineRules } from "./rules/machine.ts";
import { sourceRules } from "./rules/source.ts";
import { storageRules } from "./rules/storage.ts";

export const RULES: readonly PreflightRule[] = [
  ...libraryRules,
  ...sourceRules,
  ...hostRules,
  ...firmwareRules,
  ...deviceRules,
  ...storageRules,
  ...machineRules,
];

const WEIGHT: Record<Severity, number> = { blocker: 0, warning: 1, info: 2 };

/** Blockers first. */
export function runPreflight(ctx: PreflightContext): Finding[] {
  if (ctx.host.capabilities === null) {
    return [
      {
        rule: "host.unknown",
        severity: "blocker",
        field: "host",
        message: `${ctx.host.name} has not told yet what it can take.`,
        source: "live host",
        remedy: null,
      },
    ];
  }
  const known = ctx as KnownContext;
  return RULES.flatMap((rule) => rule.check(known).map((finding) => ({ rule: rule.id, ...finding }))).sort(
    (a, b) => WEIGHT[a.severity] - WEIGHT[b.severity],
  );
}
