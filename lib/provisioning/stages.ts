import { DISK_FORMAT_LABEL, type SourceFormatId } from "#lib/domain/disk-format.ts";
import type { PlanSource, Stage, StageId, TargetChoice } from "#lib/domain/request.ts";

const waiting = (id: StageId, label: string): Stage => ({
  id,
  label,
  state: "waiting",
  startedAt: null,
  finishedAt: null,
});

/** The stages of one deploy under their true names, as they stand before anything runs. `poolName`: as people call it. */
export function stagesOf(
  choice: TargetChoice,
  from: { readonly format: SourceFormatId } | { readonly source: PlanSource },
  hostName: string,
  poolName: string,
): Stage[] {
  return [
    waiting("check", `Checking that ${hostName} still takes what was approved`),
    waiting("create-disk", `Reserving the disk's name in pool ${poolName}`),
    waiting("transfer", transferLabel(choice.diskFormat, from, poolName)),
    waiting("verify", `Reading the disk back from ${hostName} and comparing it`),
    waiting("create-vm", `Defining the VM ${choice.name}`),
    ...(choice.start ? [waiting("start-vm", `Starting ${choice.name}`)] : []),
  ];
}

function transferLabel(format: SourceFormatId, from: Parameters<typeof stagesOf>[1], poolName: string): string {
  const to = DISK_FORMAT_LABEL[format];
  if ("source" in from)
    return `Reading ${from.source.vmName} on ${from.source.hostName} while sending ${to} to pool ${poolName}`;
  return from.format === format
    ? `Sending ${to} to pool ${poolName}`
    : `Converting ${DISK_FORMAT_LABEL[from.format]} → ${to} while sending to pool ${poolName}`;
}
