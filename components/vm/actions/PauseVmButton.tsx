import { Pause } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function PauseVmButton({ vm }: { vm: VmRow }): ReactNode {
  return <PowerButton vm={vm} action="pause" icon={<Pause aria-hidden />} label="Pause" busyLabel="Pausing…" />;
}
