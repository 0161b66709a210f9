import { Zap } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function ResetVmButton({ vm }: { vm: VmRow }): ReactNode {
  return (
    <PowerButton
      vm={vm}
      action="reset"
      icon={<Zap aria-hidden />}
      label="Reset"
      busyLabel="Resetting…"
      warning="The virtual machine restarts at once, as by its reset button: what the guest has not written to its disks is lost."
    />
  );
}
