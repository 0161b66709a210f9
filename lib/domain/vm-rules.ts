/** What can be done to a VM as it is now: one rule for the disabled button, its tooltip and the server. */
import type { PowerAction, PowerState } from "./hardware.ts";
import type { Vm } from "./inventory.ts";

const FROM: Record<PowerAction, readonly PowerState[]> = {
  start: ["stopped", "crashed", "suspended"],
  shutdown: ["running"],
  stop: ["running", "paused", "crashed", "suspended", "unknown"],
  reboot: ["running"],
  reset: ["running", "paused", "crashed"],
  pause: ["running"],
  resume: ["paused", "suspended"],
};

const PAST: Record<PowerState, string> = {
  running: "running",
  stopped: "stopped",
  paused: "paused",
  suspended: "suspended",
  crashed: "crashed",
  unknown: "in a state that its host does not tell",
};

/** `reason` ends with a full stop and names the VM. */
export function canPower(vm: Pick<Vm, "name" | "state">, action: PowerAction): true | { readonly reason: string } {
  if (FROM[action].includes(vm.state)) return true;
  return { reason: `${vm.name} is ${PAST[vm.state]}.` };
}

/** A disk can be captured while nobody writes to it, or where the host keeps one moment of it (`captureRunning`). */
export function canCapture(
  vm: Pick<Vm, "name" | "state" | "disks">,
  diskId: string,
  captureRunning: boolean,
): true | { readonly reason: string } {
  const disk = vm.disks.find((d) => d.id === diskId);
  if (disk === undefined) return { reason: `${vm.name} has no disk ${diskId}.` };
  if (!captureRunning && vm.state !== "stopped" && vm.state !== "crashed") {
    return { reason: `${vm.name} is ${PAST[vm.state]}: its disk changes while it is read. Shut it down first.` };
  }
  if (disk.captureBlocker !== null) return { reason: disk.captureBlocker };
  return true;
}
