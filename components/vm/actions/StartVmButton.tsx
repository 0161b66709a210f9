import { Play } from "lucide-react";
import type { ReactNode } from "react";
import type { VmRow } from "#lib/domain/host.ts";
import { PowerButton } from "./PowerButton.tsx";

export function StartVmButton({ vm }: { vm: VmRow }): ReactNode {
  return <PowerButton vm={vm} action="start" icon={<Play aria-hidden />} label="Start" busyLabel="Starting…" />;
}
