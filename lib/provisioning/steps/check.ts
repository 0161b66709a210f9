/** Is what was approved what would run now, and does it still fit? */
import type { Network, StoragePool } from "#lib/domain/inventory.ts";
import type { PlanSource } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { runPreflight } from "#lib/preflight/run.ts";
import { isApproved } from "../approval.ts";
import type { Deployment } from "../deployment.ts";
import { storedBytes } from "../estimate.ts";
import { loadHostFacts, loadVersionFacts } from "../facts.ts";
import { hashPlan } from "../frozen-plan.ts";
import { withLiveSource } from "../live-source.ts";
import { onHost } from "../on-host.ts";

const HOST_MS = 60_000;
/** What the host itself would call it, were it asked a moment later. */
const CODE_OF_RULE: Readonly<Record<string, string>> = {
  "target.pool-no-room": "pool.full",
  "target.name-exists": "vm.exists",
  "image.files-missing": "library.file-missing",
  "source.vm-gone": "vm.not-found",
  "source.vm-running": "vm.running",
  "source.disk-unreadable": "disk.cannot-capture",
};

export interface Checked {
  /** Of the disks as they are now, bytes. */
  readonly sizes: readonly number[];
  /** The host gives the bytes of a disk back. */
  readonly canReadBack: boolean;
}

/**
 * Throws `request.plan-changed`, `image.changed`,
 * `pool.full`, `vm.exists`, `vm.running`, `vm.not-found`, `disk.cannot-capture`, `request.blocked` and what the hosts throw.
 */
export async function check({ io, request, target, hostName, source }: Deployment): Promise<Checked> {
  const { db } = io.services;
  const frozen = request.plan.targets[target.position];
  if (
    hashPlan(request.plan) !== request.planHash ||
    frozen === undefined ||
    // The columns that the work goes by stand beside the plan: they have to say the same.
    frozen.choice.hostId !== target.hostId ||
    request.plan.imageVersionId !== request.imageVersionId ||
    JSON.stringify(frozen.choice) !== JSON.stringify(target.choice) ||
    !(await patiently(() => isApproved(db, request.id, request.planHash)))
  ) {
    throw new AppError(
      "conflict",
      "request.plan-changed",
      "What is stored for this request is not what was approved.",
      { hint: "Nothing was made. Ask anew." },
    );
  }
  const stored = await patiently(() => loadVersionFacts(io.services, request.imageVersionId));
  if (
    stored.fingerprints.join() !== request.plan.fingerprints.join() ||
    placeOf(stored.source) !== placeOf(request.plan.source ?? null)
  ) {
    throw new AppError(
      "conflict",
      "image.changed",
      `${stored.image.name} version ${stored.number} is not the image that was approved.`,
      { hint: "Ask anew." },
    );
  }
  const facts = source === null ? stored : await withLiveSource(io, stored, source);
  const host = await patiently(() => loadHostFacts(db, target.hostId, target.tag));
  const live = await onHost(
    io,
    target.hostId,
    HOST_MS,
    `Asking ${hostName} what it can take`,
    async (adapter, signal) => {
      const capabilities = await adapter.refreshCapabilities(signal);
      const pools: StoragePool[] = [];
      const networks: Network[] = [];
      // Host, pools and networks come before the VMs, whose names are known already.
      for await (const item of adapter.inventory(signal)) {
        if (item.kind === "pool") pools.push(item);
        else if (item.kind === "network") networks.push(item);
        else if (item.kind === "vm") break;
      }
      return { capabilities, pools, networks };
    },
  );
  const findings = runPreflight({
    image: facts.image,
    host: { ...host, ...live, online: true, staleSince: null },
    choice: target.choice,
    storedBytes: storedBytes(facts.dataBytes, facts.virtualSize, target.choice.diskFormat),
  });
  const blockers = findings.filter((finding) => finding.severity === "blocker");
  if (blockers.length > 0) {
    const first = blockers[0];
    throw new AppError(
      "unprocessable",
      CODE_OF_RULE[first?.rule ?? ""] ?? "request.blocked",
      blockers.map((finding) => finding.message).join(" "),
      {
        hint: "The hosts have changed since the request was approved. Nothing was made; ask anew with other choices.",
        details: { rules: blockers.map((finding) => finding.rule) },
      },
    );
  }
  return {
    sizes: facts.image.disks.map((disk) => disk.virtualSize),
    canReadBack: live.capabilities.canReadBack,
  };
}

/** Names may change; host, VM and disks are what was approved. */
const placeOf = (source: PlanSource | null): string =>
  source === null ? "" : JSON.stringify([source.hostId, source.vmRef, source.diskIds]);
