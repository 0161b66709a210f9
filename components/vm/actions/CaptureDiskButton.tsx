"use client";
import { Disc3 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import type { VmDisk } from "#lib/domain/inventory.ts";
import { CaptureDiskForm } from "../CaptureDiskForm.tsx";

export function CaptureDiskButton({ vm, disk }: { vm: VmRow; disk: VmDisk }): ReactNode {
  const [open, setOpen] = useState(false);
  const forbidden = useMayReason("vm.capture");
  return (
    <>
      <Button size="sm" reason={forbidden ?? disk.captureBlocker} onClick={() => setOpen(true)}>
        <Disc3 aria-hidden /> Capture as image
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title={`Capture ${disk.label} of ${vm.name}`}
        description="The disk is copied into the image library; the virtual machine stays as it is."
      >
        <CaptureDiskForm vm={vm} disk={disk} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}
