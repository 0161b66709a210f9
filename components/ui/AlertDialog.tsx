"use client";
import { AlertDialog as Radix } from "radix-ui";
import { useId, useState, type ReactNode } from "react";
import { Button } from "./Button.tsx";
import { cn } from "./cn.ts";
import { OVERLAY, PANEL } from "./Dialog.tsx";
import { ErrorNotice } from "./ErrorNotice.tsx";
import { Input } from "./Input.tsx";

export interface AlertDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  /** Names the thing: "Stop web-07?" */
  title: ReactNode;
  /** What happens and what will be lost. */
  children: ReactNode;
  /** The verb on the button: "Stop web-07". */
  confirm: string;
  danger?: boolean;
  /** For what cannot be undone: the person types this name first. */
  typedName?: string;
  busy?: boolean;
  error?: unknown;
  onConfirm: () => void;
}

/** A confirmation. It stays open while the work runs and shows its failure; the caller closes it on success. */
export function AlertDialog({ open, onOpenChange, ...rest }: AlertDialogProps): ReactNode {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content className={cn(PANEL, "max-w-md")}>
          <Body {...rest} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Its own component so that a typed name is forgotten when the dialog closes. */
function Body({
  title,
  children,
  confirm,
  danger,
  typedName,
  busy,
  error,
  onConfirm,
}: Omit<AlertDialogProps, "open" | "onOpenChange">): ReactNode {
  const [typed, setTyped] = useState("");
  const id = useId();
  const ready = typedName === undefined || typed.trim() === typedName;
  return (
    <form
      className="flex min-h-0 flex-col"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready && busy !== true) onConfirm();
      }}
    >
      <div className="min-h-0 space-y-3 overflow-y-auto p-4">
        <Radix.Title className="text-base font-semibold wrap-break-word">{title}</Radix.Title>
        <Radix.Description asChild>
          <div className="text-ink-2">{children}</div>
        </Radix.Description>
        {typedName === undefined ? null : (
          <div className="space-y-1">
            <label htmlFor={id} className="text-xs text-ink-2">
              Type <strong className="font-semibold text-ink select-all">{typedName}</strong> to confirm
            </label>
            <Input
              id={id}
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              autoComplete="off"
              spellCheck={false}
            />
          </div>
        )}
        {error ? <ErrorNotice error={error} /> : null}
      </div>
      <footer className="flex flex-wrap justify-end gap-2 border-t px-4 py-3">
        <Radix.Cancel asChild>
          <Button>Keep it as it is</Button>
        </Radix.Cancel>
        <Button type="submit" variant={danger ? "danger" : "primary"} disabled={!ready} busy={busy === true}>
          {confirm}
        </Button>
      </footer>
    </form>
  );
}
