import { DISK_FORMAT_LABEL, type DiskFormatId } from "#lib/domain/disk-format.ts";
import type { Stage, StageId, TargetChoice } from "#lib/domain/request.ts";

const waiting = (id: StageId, label: string): Stage => ({
  id,
  label,
  state: "waiting",
  startedAt: null,
  finishedAt: null,
});

/** The stages of one deploy under their true names, as they stand before anything runs. `poolName`: as people call it. */
export function stagesOf(choice: TargetChoice, imageFormat: DiskFormatId, hostName: string, poolName: string): Stage[] {
  const from = DISK_FORMAT_LABEL[imageFormat];
  const to = DISK_FORMAT_LABEL[choice.diskFormat];
  return [
    waiting("check", `Checking that ${hostName} still takes what was approved`),
    waiting("create-disk", `Reserving the disk's name in pool ${poolName}`),
    waiting(
      "transfer",
      from === to
        ? `Sending ${from} to pool ${poolName}`
        : `Converting ${from} → ${to} while sending to pool ${poolName}`,
    ),
    waiting("verify", `Reading the disk back from ${hostName} and comparing it`),
    waiting("create-vm", `Defining the VM ${choice.name}`),
    ...(choice.start ? [waiting("start-vm", `Starting ${choice.name}`)] : []),
  ];
}
