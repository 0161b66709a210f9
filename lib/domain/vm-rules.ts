/** What can be done to a VM as it is now: one rule for the disabled button, its tooltip and the server. */
import type { PowerAction, PowerState } from "./hardware.ts";
import type { Vm } from "./inventory.ts";

/**
 * What the hosts do. `crashed` is a machine that stands still with its process (libvirt's crashed, VirtualBox's guru
 * meditation), which can be reset and ended, or one whose process is gone (VirtualBox's aborted), which can be started:
 * the host refuses what does not fit. In a state that the host does not tell, only ending the machine means the same
 * whatever the state is; starting one that may run is not tried.
 */
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
export function canPower(
  vm: Pick<Vm, "name" | "state" | "powerBlocker">,
  action: PowerAction,
): true | { readonly reason: string } {
  if (vm.powerBlocker) return { reason: vm.powerBlocker };
  if (FROM[action].includes(vm.state)) return true;
  return { reason: `${vm.name} is ${PAST[vm.state]}.` };
}

type Capturable = Pick<Vm, "name" | "state" | "disks">;

/** A machine's disks, the one that it starts from first. */
export function inBootOrder<Disk extends Pick<Vm["disks"][number], "boot">>(disks: readonly Disk[]): readonly Disk[] {
  const first = disks.find(({ boot }) => boot === true);
  return first === undefined ? disks : [first, ...disks.filter((disk) => disk !== first)];
}

/** `code` as errors have it: `vm.no-disks`, `vm.running`, `disk.not-found`, `disk.cannot-capture`. */
export interface CannotCapture {
  readonly reason: string;
  readonly code: string;
}

/**
 * Disks at one moment; null: all that the machine has. They can be captured while nobody writes to them, or where the
 * host keeps one moment of them (`captureRunning`). Those that cannot be had are named with their reason.
 */
export function canCaptureAll(
  vm: Capturable,
  diskIds: readonly string[] | null,
  captureRunning: boolean,
): true | CannotCapture {
  if (diskIds === null && vm.disks.length === 0) return { code: "vm.no-disks", reason: `${vm.name} has no disks.` };
  const wanted = diskIds ?? vm.disks.map(({ id }) => id);
  const missing = wanted.find((id) => !vm.disks.some((disk) => disk.id === id));
  if (missing !== undefined) return { code: "disk.not-found", reason: `${vm.name} has no disk ${missing}.` };
  if (!captureRunning && vm.state !== "stopped" && vm.state !== "crashed") {
    const whose = wanted.length === 1 ? "its disk changes while it is read" : "its disks change while they are read";
    return { code: "vm.running", reason: `${vm.name} is ${PAST[vm.state]}: ${whose}. Shut it down first.` };
  }
  const blocked = vm.disks.filter(({ id, captureBlocker }) => captureBlocker !== null && wanted.includes(id));
  if (blocked.length === 0) return true;
  const named = blocked.map(({ label, captureBlocker }) => `${label}: ${captureBlocker}`).join(" ");
  if (wanted.length === 1) return { code: "disk.cannot-capture", reason: blocked[0]?.captureBlocker ?? named };
  const others =
    blocked.length === wanted.length ? "" : ` Leave ${blocked.length === 1 ? "it" : "them"} out to capture the others.`;
  return { code: "disk.cannot-capture", reason: `Not every disk of ${vm.name} can be captured. ${named}${others}` };
}
