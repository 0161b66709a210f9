import type { Allowed } from "#lib/domain/request-rules.ts";
import type { ProvisionRequest, RequestDetail, RequestTarget } from "#lib/domain/request-view.ts";
import { StageId } from "#lib/domain/request.ts";
import type { jobLog } from "#lib/db/schema.ts";
import type { RequestFacts, RequestTargetFacts } from "#lib/services/request/read-requests.ts";
import { presentLogLine } from "./job.ts";

function presentTarget({ target, host, job }: RequestTargetFacts): RequestTarget {
  return {
    id: target.id,
    position: target.position,
    hostId: target.hostId,
    hostName: host.name,
    vendor: host.vendor,
    simulated: host.simulated,
    choice: target.choice,
    findings: target.findings,
    estimate: target.estimate,
    status: target.status,
    jobId: target.jobId,
    stages: (job?.stages ?? []).flatMap((stage) => {
      const id = StageId.safeParse(stage.id);
      return id.success ? [{ ...stage, id: id.data }] : [];
    }),
    progress: job?.progress ?? null,
    error: target.error,
    receipt: target.receipt,
    vmRef: target.vmRef,
  };
}

const verdict = (allowed: Allowed): ProvisionRequest["youMay"]["approve"] =>
  allowed === true
    ? { allowed: true, code: null, reason: null }
    : { allowed: false, code: allowed.code, reason: allowed.reason };

export function presentRequest(facts: RequestFacts): ProvisionRequest {
  const { request } = facts;
  return {
    id: request.id,
    number: request.number,
    status: request.status,
    imageId: facts.imageId,
    imageName: request.plan.imageName,
    imageVersionId: request.imageVersionId,
    imageVersion: facts.versionNumber,
    source: request.plan.source ?? null,
    requester: { id: request.requesterId, name: facts.requesterName },
    note: request.note,
    planHash: request.planHash,
    decision:
      request.decision === null || request.decidedAt === null
        ? null
        : {
            outcome: request.decision,
            by: { id: request.decidedBy, name: facts.deciderName ?? "policy" },
            reason: request.decisionReason ?? "",
            at: request.decidedAt.toISOString(),
          },
    youMay: {
      approve: verdict(facts.youMay.approve),
      deny: verdict(facts.youMay.deny),
      retry: verdict(facts.youMay.retry),
    },
    targets: facts.targets.map(presentTarget),
    createdAt: request.createdAt.toISOString(),
    finishedAt: request.finishedAt?.toISOString() ?? null,
  };
}

export function presentRequestDetail(
  facts: RequestFacts,
  logs: ReadonlyMap<string, (typeof jobLog.$inferSelect)[]>,
): RequestDetail {
  return {
    ...presentRequest(facts),
    logs: Object.fromEntries([...logs].map(([id, lines]) => [id, lines.map(presentLogLine)])),
  };
}
