import type { z } from "zod";
import { cleanName } from "#lib/domain/plain-name.ts";
import type { LinkVm } from "#lib/domain/image.ts";
import type { Vm, VmDisk } from "#lib/domain/inventory.ts";
import { canCaptureAll, inBootOrder } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { type Linked, linkVersion } from "#lib/library/link-version.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

const TIMEOUT_MS = 30_000;

/**
 * Makes the disks of a VM an image that is deployed from where they are. Whether they can be read at that moment is
 * looked at when they are deployed. Throws `vm.not-found`, `vm.no-disks`, `disk.*`, `host.*`.
 */
export async function linkVm(ctx: Ctx, input: z.infer<typeof LinkVm>): Promise<Linked> {
  await authorise(ctx, "vm.capture");
  await authorise(ctx, "image.add");
  const { host } = await findVm(ctx.db, input.hostId, input.vmRef);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // The row may lag behind: what counts is what the host says now.
  const vm = await withHost(ctx, input.hostId, (adapter) => adapter.vm(input.vmRef, signal), signal);
  const disks = chosen(vm, input.diskIds ?? null);
  const name = [...cleanName(`${vm.name} on ${host.name}`, "VM")]
    .filter((c) => c !== "/" && c !== "\\")
    .slice(0, 100)
    .join("");
  const linked = await ctx.db.transaction((tx) =>
    linkVersion(tx, ctx.actor, {
      name,
      source: {
        kind: "linked",
        hostId: host.id,
        hostName: host.name,
        vmRef: vm.ref,
        vmName: vm.name,
        guestOs: vm.guestOs,
        disks: disks.map(({ id, label }) => ({ id, label })),
      },
      hints: {
        cpus: vm.cpus,
        memory: vm.memory,
        firmware: vm.firmware,
        bus: disks[0]?.bus ?? null,
        nic: vm.nics[0]?.model ?? null,
      },
      disks: disks.map((disk) => ({ ...disk, capacity: sizeOf(vm.name, host.name, disk) })),
    }),
  );
  ctx.events.publish({ type: "image", id: linked.imageId });
  ctx.events.publish({ type: "audit" });
  return linked;
}

/** The one that the VM starts from first. */
function chosen(vm: Vm, ids: readonly string[] | null): readonly VmDisk[] {
  // That it runs may have changed by the time of the deploy, where it is looked at again.
  const allowed = canCaptureAll(vm, ids, true);
  if (allowed !== true)
    throw new AppError(allowed.code === "disk.not-found" ? "not-found" : "conflict", allowed.code, allowed.reason);
  return inBootOrder(vm.disks).filter(({ id }) => ids === null || ids.includes(id));
}

function sizeOf(vmName: string, hostName: string, { label, capacity }: VmDisk): number {
  if (capacity !== null) return capacity;
  throw new AppError(
    "unprocessable",
    "disk.size-unknown",
    `${hostName} does not tell how large ${label} of ${vmName} is.`,
    {
      hint: "Look at the disk on its host; or capture it.",
    },
  );
}
