/** Findings and estimate for each choice: for the page while it is made, and for the request when it is frozen. */
import type { Db } from "#lib/db/client.ts";
import type { Finding } from "#lib/domain/finding.ts";
import type { Estimate, TargetChoice } from "#lib/domain/request.ts";
import { runPreflight } from "#lib/preflight/run.ts";
import type { PreflightHost } from "#lib/preflight/context.ts";
import { estimateDeploy, storedBytes } from "#lib/provisioning/estimate.ts";
import { loadHostFacts, type VersionFacts } from "#lib/provisioning/facts.ts";

export interface Assessment {
  readonly choice: TargetChoice;
  readonly host: PreflightHost;
  readonly findings: Finding[];
  readonly estimate: Estimate;
}

export async function assessTargets(
  db: Db,
  version: VersionFacts,
  targets: readonly TargetChoice[],
): Promise<Assessment[]> {
  const known = new Map<string, PreflightHost>();
  const taken = new Set<string>();
  const result: Assessment[] = [];
  for (const choice of targets) {
    const host = known.get(choice.hostId) ?? (await loadHostFacts(db, choice.hostId));
    known.set(choice.hostId, host);
    const findings = runPreflight({
      image: version.image,
      host,
      choice,
      storedBytes: storedBytes(version.dataBytes, version.virtualSize, choice.diskFormat),
    });
    const key = `${choice.hostId}\0${choice.name}`;
    if (taken.has(key)) {
      findings.unshift({
        rule: "request.name-twice",
        severity: "blocker",
        field: "name",
        message: `Another target of this request is called ${choice.name} on ${host.name} too.`,
        source: "the choices",
        remedy: null,
      });
    }
    taken.add(key);
    result.push({
      choice,
      host,
      findings,
      estimate: await estimateDeploy(db, { ...version, hostId: choice.hostId }),
    });
  }
  return result;
}
