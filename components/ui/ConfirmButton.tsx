"use client";
import { useState, type ReactNode } from "react";
import { AlertDialog } from "./AlertDialog.tsx";
import { Button, type ButtonProps } from "./Button.tsx";

export interface ConfirmButtonProps {
  /** Word on the button. */
  label: ReactNode;
  /** Names the thing: "Cancel web-07 on kvm-1?" */
  title: ReactNode;
  /** What happens and what will be lost. */
  children: ReactNode;
  /** The verb on the dialog's button. */
  confirm: string;
  danger?: boolean;
  typedName?: string;
  size?: NonNullable<ButtonProps["size"]>;
  variant?: NonNullable<ButtonProps["variant"]>;
  /** Why it cannot be used now. */
  reason?: string | null | undefined;
  /** Resolves when it is done; what it throws is shown in the dialog, which stays open. */
  onConfirm: () => Promise<unknown>;
}

/** A button that asks before it acts. */
export function ConfirmButton({
  label,
  title,
  children,
  confirm,
  danger,
  typedName,
  size,
  variant,
  reason,
  onConfirm,
}: ConfirmButtonProps): ReactNode {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      setOpen(false);
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button
        size={size}
        variant={variant}
        reason={reason}
        onClick={() => {
          setError(null);
          setOpen(true);
        }}
      >
        {label}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={title}
        confirm={confirm}
        danger={danger ?? false}
        busy={busy}
        error={error}
        onConfirm={() => void run()}
        {...(typedName === undefined ? {} : { typedName })}
      >
        {children}
      </AlertDialog>
    </>
  );
}
