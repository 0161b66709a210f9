import type { Vm } from "#lib/domain/inventory.ts";
import { canCaptureAll } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";

/**
 * The VM as its host has it now. `diskIds` null: all of them; `running` false: it has to stand still. Throws
 * `vm.not-found`, and `vm.running`, `disk.not-found`, `disk.cannot-capture` (conflict).
 */
export async function requireCapturable(
  adapter: HypervisorAdapter,
  vmRef: string,
  diskIds: readonly string[] | null,
  signal: AbortSignal,
  running = adapter.capabilities.captureRunning,
): Promise<Vm> {
  const vm = await adapter.vm(vmRef, signal);
  const allowed = canCaptureAll(vm, diskIds, running);
  if (allowed === true) return vm;
  throw new AppError("conflict", allowed.code, allowed.reason, {
    ...(allowed.code === "vm.running" ? { hint: "Shut the VM down, and capture it again." } : {}),
  });
}
