import type { z } from "zod";
import type { CaptureDisk } from "#lib/domain/image.ts";
import { canCapture } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { createVersion, type VersionStarted } from "#lib/library/create-version.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

const TIMEOUT_MS = 30_000;

/** Throws `vm.running` (conflict), `vm.not-found`, `host.*`, `image.*`. */
export async function captureDisk(ctx: Ctx, input: z.infer<typeof CaptureDisk>): Promise<VersionStarted> {
  await authorise(ctx, "vm.capture");
  await authorise(ctx, "image.add");
  const { host } = await findVm(ctx.db, input.hostId, input.vmRef);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // The row may lag behind: what counts is what the host says now.
  const { vm, captureRunning } = await withHost(ctx, input.hostId, async (adapter) => ({
    vm: await adapter.vm(input.vmRef, signal),
    captureRunning: adapter.capabilities.captureRunning,
  }));
  const allowed = canCapture(vm, input.diskId, captureRunning);
  if (allowed !== true) throw new AppError("conflict", "vm.running", allowed.reason);
  const disk = vm.disks.find(({ id }) => id === input.diskId);
  const fallbackName = [...`${vm.name} ${input.diskId}`]
    .filter((c) => c >= " " && c !== "/" && c !== "\\")
    .join("")
    .slice(0, 100);
  const started = await ctx.db.transaction((tx) =>
    createVersion(tx, ctx, ctx.actor, {
      destination: { imageId: input.imageId, name: input.name, fallbackName },
      source: { kind: "capture", hostName: host.name, vmName: vm.name, disk: disk?.label ?? input.diskId },
      // What lies in the library is our own qcow2, whatever it was on the host.
      saidFormat: null,
      state: "receiving",
      hints: {
        cpus: vm.cpus,
        memory: vm.memory,
        firmware: vm.firmware,
        bus: disk?.bus ?? null,
        nic: vm.nics[0]?.model ?? null,
      },
      job: {
        kind: "image.capture",
        verb: "Capture",
        input: () => ({ hostId: input.hostId, vmRef: input.vmRef, diskId: input.diskId, fileName: "disk.qcow2" }),
      },
    }),
  );
  ctx.events.publish({ type: "image", id: started.imageId });
  ctx.events.publish({ type: "audit" });
  return started;
}
