"use client";
import { Forward } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { toastError } from "#components/ui/Toaster.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import { LinkVmForm } from "../LinkVmForm.tsx";
import { useLinkVm } from "../useLinkVm.ts";

/** To the deploy page with the disks of this VM, which stay where they are. Of several disks a person chooses. */
export function DeployVmButton({ vm }: { vm: VmRow }): ReactNode {
  const [open, setOpen] = useState(false);
  const link = useLinkVm(vm);
  const mayCapture = useMayReason("vm.capture");
  const mayAdd = useMayReason("image.add");
  const readable = vm.disks.filter((disk) => disk.captureBlocker === null);
  const reason =
    mayCapture ?? mayAdd ?? (readable.length > 0 ? null : (vm.disks[0]?.captureBlocker ?? `${vm.name} has no disks.`));
  const [only] = vm.disks.length === 1 ? readable : [];
  return (
    <>
      <Button
        size="sm"
        reason={reason}
        busy={link.isPending}
        onClick={() =>
          only === undefined ? setOpen(true) : link.mutate([only.id], { onError: (error) => toastError(error) })
        }
      >
        <Forward aria-hidden /> Deploy to other hosts…
      </Button>
      {only === undefined ? (
        <Dialog
          open={open}
          onOpenChange={setOpen}
          title={`Deploy ${vm.name} to other hosts`}
          description={`The disks are read from ${vm.hostName} when the deploy runs; nothing is copied into the library.`}
        >
          <LinkVmForm vm={vm} onDone={() => setOpen(false)} />
        </Dialog>
      ) : null}
    </>
  );
}
