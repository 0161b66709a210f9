/** Whether a VM can be read, before that; and whether what was read is of one moment, after it. */
import type { Vm } from "#lib/domain/inventory.ts";
import { canCaptureAll } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan, HypervisorAdapter } from "./adapter.ts";

/**
 * The VM as its host has it now: rows of the inventory may lag behind. `diskIds` null: all of them. Throws
 * `vm.not-found`, and `vm.running`, `disk.not-found`, `disk.cannot-capture` (conflict).
 */
export async function requireCapturable(
  host: Pick<HypervisorAdapter, "vm">,
  vmRef: string,
  diskIds: readonly string[] | null,
  { ofSnapshot }: Pick<CapturePlan, "ofSnapshot">,
  signal: AbortSignal,
): Promise<Vm> {
  const vm = await host.vm(vmRef, signal);
  const allowed = canCaptureAll(vm, diskIds, ofSnapshot);
  if (allowed === true) return vm;
  throw new AppError("conflict", allowed.code, allowed.reason, {
    ...(allowed.code === "vm.running" ? { hint: "Shut the VM down, and try again." } : {}),
  });
}

/**
 * A snapshot stays as it is. A VM that was to stand still may have been started meanwhile, and stopped again: then what
 * was read is of two moments. Throws `vm.running` and what `requireCapturable` throws.
 */
export async function requireUnchanged(
  host: Pick<HypervisorAdapter, "vm" | "planCapture">,
  vmRef: string,
  diskIds: readonly string[],
  plan: CapturePlan,
  signal: AbortSignal,
): Promise<void> {
  if (plan.ofSnapshot) return;
  const { name } = await requireCapturable(host, vmRef, diskIds, plan, signal);
  const marked = diskIds.filter((diskId) => plan.marks[diskId] !== undefined);
  if (marked.length === 0) return;
  const now = await host.planCapture(vmRef, marked, plan.tag, signal);
  if (marked.every((diskId) => now.marks[diskId] === plan.marks[diskId])) return;
  throw new AppError("conflict", "vm.running", `${name} was started while its disks were read.`, {
    hint: "Leave it shut down until all of them have been read, and try again.",
  });
}
