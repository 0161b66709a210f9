/** Starting and stopping, in VirtualBox's words. */
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { asAppError } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

/** VirtualBox tells no progress of it, and has no limit of its own. */
const POWER_MS = 15 * 60_000;

/** Null: VirtualBox has nothing to do for it. */
function order(vm: Vm, action: PowerAction): string[] | null {
  switch (action) {
    case "start":
      return ["startvm", vm.ref, "--type", "headless"];
    case "resume":
      return vm.state === "suspended" ? ["startvm", vm.ref, "--type", "headless"] : ["controlvm", vm.ref, "resume"];
    case "stop":
      if (vm.state === "suspended") return ["discardstate", vm.ref];
      return ["controlvm", vm.ref, "poweroff"];
    case "shutdown":
      return ["controlvm", vm.ref, "acpipowerbutton"];
    case "reboot":
      return ["controlvm", vm.ref, "reboot"];
    case "reset":
    case "pause":
      return ["controlvm", vm.ref, action];
  }
}

/** `whyNotStart`: null when this host can run VMs. Throws `host.cannot-start`, `host.refused`. */
export async function changePower(
  vbox: VBoxManage,
  vm: Vm,
  action: PowerAction,
  whyNotStart: string | null,
  signal?: AbortSignal,
): Promise<void> {
  const allowed = canPower(vm, action);
  if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
  const command = order(vm, action);
  if (command === null) return;
  if (command[0] === "startvm" && whyNotStart !== null) {
    throw new AppError("unprocessable", "host.cannot-start", whyNotStart, {
      hint: "Install VirtualBox's kernel driver on that machine (on Debian: virtualbox-dkms and the kernel's headers) and switch hardware virtualisation on in its firmware.",
    });
  }
  if (action === "reboot" && !vbox.atLeast(7)) {
    throw new AppError(
      "unprocessable",
      "host.refused",
      `VirtualBox ${vbox.version.text} cannot ask a guest to reboot.`,
      {
        hint: "Shut the VM down and start it again, or reset it.",
      },
    );
  }
  try {
    await vbox.runWhenFree(command, { signal, vm: vm.ref, timeoutMs: POWER_MS });
  } catch (error) {
    throw asAppError(error, `${action} of ${vm.name} on ${vbox.machine.name}`);
  }
}
