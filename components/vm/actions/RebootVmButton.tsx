import { RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function RebootVmButton({ vm }: { vm: VmRow }): ReactNode {
  return (
    <PowerButton
      vm={vm}
      action="reboot"
      icon={<RotateCw aria-hidden />}
      label="Reboot"
      busyLabel="Asking the guest…"
      warning="The guest is asked to restart by itself. Whoever works on it is cut off for that time."
    />
  );
}
