import type { z } from "zod";
import { cleanName } from "#lib/domain/plain-name.ts";
import { fileStem } from "#lib/disk/containers/package.ts";
import type { CaptureVm } from "#lib/domain/image.ts";
import { canCaptureAll, inBootOrder } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { noPackages } from "#lib/library/capture-package.ts";
import { createVersion, type VersionStarted } from "#lib/library/create-version.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

const TIMEOUT_MS = 30_000;

/** Throws `vm.running`, `disk.cannot-capture`, `vm.no-disks` (conflict), `host.no-packages`, `disk.not-found`, `vm.not-found`, `host.*`, `image.*`. */
export async function captureVm(ctx: Ctx, input: z.infer<typeof CaptureVm>): Promise<VersionStarted> {
  await authorise(ctx, "vm.capture");
  await authorise(ctx, "image.add");
  const { host } = await findVm(ctx.db, input.hostId, input.vmRef);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // The row may lag behind: what counts is what the host says now.
  const { vm, capabilities } = await withHost(ctx, input.hostId, async (adapter) => ({
    vm: await adapter.vm(input.vmRef, signal),
    capabilities: adapter.capabilities,
  }));
  const kind = input.package ?? null;
  if (kind !== null && !capabilities.packages.includes(kind)) throw noPackages(kind);
  const wanted = input.diskId === undefined ? (input.diskIds ?? null) : [input.diskId];
  const allowed = canCaptureAll(vm, wanted, capabilities.captureRunning);
  if (allowed !== true)
    throw new AppError(allowed.code === "disk.not-found" ? "not-found" : "conflict", allowed.code, allowed.reason);
  const chosen = inBootOrder(vm.disks).filter(({ id }) => wanted === null || wanted.includes(id));
  const disks = chosen.map(({ id, label }, i) => ({
    diskId: id,
    label,
    fileName: chosen.length === 1 ? "disk.qcow2" : `disk-${i + 1}.qcow2`,
  }));
  const called = input.diskId === undefined ? vm.name : `${vm.name} ${input.diskId}`;
  const fallbackName = [...cleanName(called, "VM")]
    .filter((c) => c !== "/" && c !== "\\")
    .slice(0, 100)
    .join("");
  const started = await ctx.db.transaction((tx) =>
    createVersion(tx, ctx, ctx.actor, {
      destination: { imageId: input.imageId, name: input.name, fallbackName },
      source: {
        kind: "capture",
        hostName: host.name,
        vmName: vm.name,
        disk: disks.map(({ label }) => label).join(", "),
        ...(kind === null ? { disks: disks.map(({ label, fileName }) => ({ label, fileName })) } : { package: kind }),
      },
      // Our own qcow2, or a package that its content tells, whatever it was on the host.
      saidFormat: null,
      state: "receiving",
      hints: {
        cpus: vm.cpus,
        memory: vm.memory,
        firmware: vm.firmware,
        bus: chosen[0]?.bus ?? null,
        nic: vm.nics[0]?.model ?? null,
      },
      job: {
        kind: "image.capture",
        verb: "Capture",
        input: () => ({
          hostId: input.hostId,
          vmRef: input.vmRef,
          disks: disks.map(({ diskId, fileName }) => ({ diskId, fileName })),
          package: kind === null ? null : { kind, fileName: `${fileStem(vm.name)}.${kind}` },
        }),
      },
    }),
  );
  ctx.events.publish({ type: "image", id: started.imageId });
  ctx.events.publish({ type: "audit" });
  return started;
}
