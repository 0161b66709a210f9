import { StepForward } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function ResumeVmButton({ vm }: { vm: VmRow }): ReactNode {
  return (
    <PowerButton vm={vm} action="resume" icon={<StepForward aria-hidden />} label="Resume" busyLabel="Resuming…" />
  );
}
