"use client";
import { useQuery } from "@tanstack/react-query";
import { Disc3 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import type { VmDisk } from "#lib/domain/inventory.ts";
import { canCaptureAll } from "#lib/domain/vm-rules.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { CaptureForm } from "../CaptureForm.tsx";

/** `disk`: this one alone is chosen at first; absent: all that can be captured. */
export function CaptureButton({ vm, disk }: { vm: VmRow; disk?: VmDisk }): ReactNode {
  const [open, setOpen] = useState(false);
  const forbidden = useMayReason("vm.capture");
  const { data: host } = useQuery(hostQueries.detail(vm.hostId));
  const able = vm.disks.filter(({ captureBlocker }) => captureBlocker === null).map(({ id }) => id);
  const chosen = disk === undefined ? able : [disk.id];
  const allowed = canCaptureAll(vm, chosen.length === 0 ? null : chosen, host?.capabilities?.captureRunning ?? true);
  return (
    <>
      <Button size="sm" reason={forbidden ?? (allowed === true ? null : allowed.reason)} onClick={() => setOpen(true)}>
        <Disc3 aria-hidden /> {disk === undefined ? "Capture" : "Capture as image"}
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title={disk === undefined ? `Capture ${vm.name}` : `Capture ${disk.label} of ${vm.name}`}
        description="What is captured is copied into the image library; the virtual machine stays as it is."
      >
        <CaptureForm
          vm={vm}
          initial={chosen}
          packages={disk === undefined && able.length === vm.disks.length ? (host?.capabilities?.packages ?? []) : []}
          onDone={() => setOpen(false)}
        />
      </Dialog>
    </>
  );
}
