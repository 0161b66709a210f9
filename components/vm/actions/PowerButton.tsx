"use client";
import { useState, type ReactNode } from "react";
import { AlertDialog } from "#components/ui/AlertDialog.tsx";
import { Button } from "#components/ui/Button.tsx";
import { toastError } from "#components/ui/Toaster.tsx";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { usePower } from "../usePower.ts";

export interface PowerButtonProps {
  vm: VmRow;
  action: PowerAction;
  icon: ReactNode;
  label: string;
  /** While the host is being asked: "Starting…". */
  busyLabel: string;
  /** What will be lost; given, it is asked first. */
  warning?: ReactNode;
}

/** What the power buttons share. Each action has its own file that says its words. */
export function PowerButton({ vm, action, icon, label, busyLabel, warning }: PowerButtonProps): ReactNode {
  const { run, reason } = usePower(vm, action);
  const [asking, setAsking] = useState(false);
  const direct = (): void =>
    run.mutate(undefined, { onError: (error) => toastError(error, `${label} of ${vm.name} did not succeed`) });
  return (
    <>
      <Button
        size="sm"
        reason={reason}
        busy={run.isPending}
        onClick={() => {
          run.reset();
          if (warning) setAsking(true);
          else direct();
        }}
      >
        {icon}
        {run.isPending ? busyLabel : label}
      </Button>
      {warning ? (
        <AlertDialog
          open={asking}
          onOpenChange={setAsking}
          title={`${label} ${vm.name} on ${vm.hostName}?`}
          confirm={`${label} ${vm.name}`}
          danger
          busy={run.isPending}
          error={run.error}
          onConfirm={() => run.mutate(undefined, { onSuccess: () => setAsking(false) })}
        >
          {warning}
        </AlertDialog>
      ) : null}
    </>
  );
}
