import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PauseVmButton } from "./PauseVmButton.tsx";
import { RebootVmButton } from "./RebootVmButton.tsx";
import { ResetVmButton } from "./ResetVmButton.tsx";
import { ResumeVmButton } from "./ResumeVmButton.tsx";
import { ShutDownVmButton } from "./ShutDownVmButton.tsx";
import { StartVmButton } from "./StartVmButton.tsx";
import { StopVmButton } from "./StopVmButton.tsx";

/** All that can be done with a VM's power. A paused one is resumed where a running one is paused. */
export function VmPowerBar({ vm }: { vm: VmRow }): ReactNode {
  const held = vm.state === "paused" || vm.state === "suspended";
  return (
    <div role="group" aria-label={`Power of ${vm.name}`} className="flex flex-wrap gap-1.5">
      <StartVmButton vm={vm} />
      <ShutDownVmButton vm={vm} />
      <StopVmButton vm={vm} />
      <RebootVmButton vm={vm} />
      <ResetVmButton vm={vm} />
      {held ? <ResumeVmButton vm={vm} /> : <PauseVmButton vm={vm} />}
    </div>
  );
}
