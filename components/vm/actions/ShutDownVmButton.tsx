import { Power } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function ShutDownVmButton({ vm }: { vm: VmRow }): ReactNode {
  return (
    <PowerButton
      vm={vm}
      action="shutdown"
      icon={<Power aria-hidden />}
      label="Shut down"
      busyLabel="Asking the guest…"
      warning="The guest is asked to shut down by itself. Whoever works on it is cut off."
    />
  );
}
