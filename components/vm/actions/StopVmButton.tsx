import { Square } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function StopVmButton({ vm }: { vm: VmRow }): ReactNode {
  return (
    <PowerButton
      vm={vm}
      action="stop"
      icon={<Square aria-hidden />}
      label="Stop"
      busyLabel="Stopping…"
      warning="The power is cut at once: what the guest has not written to its disks is lost."
    />
  );
}
