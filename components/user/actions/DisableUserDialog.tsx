"use client";
import type { ReactNode } from "react";
import { AlertDialog } from "#components/ui/AlertDialog.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import type { User } from "#lib/domain/user.ts";
import { useChangeUser } from "../useChangeUser.ts";

export function DisableUserDialog({ user, onClose }: { user: User; onClose: () => void }): ReactNode {
  const change = useChangeUser(user.id, (saved) => {
    toastDone(`${saved.name} was ${saved.disabled ? "disabled" : "enabled"}.`);
    onClose();
  });
  const verb = user.disabled ? "Enable" : "Disable";
  return (
    <AlertDialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={`${verb} ${user.name}?`}
      confirm={`${verb} ${user.name}`}
      danger={!user.disabled}
      busy={change.isPending}
      error={change.error}
      onConfirm={() => change.mutate({ disabled: !user.disabled })}
    >
      {user.disabled
        ? "They can sign in again, with the role that they had. Tokens that were revoked stay revoked."
        : "They are signed out at once and cannot sign in; their API tokens are revoked. What they did stays in the audit trail."}
    </AlertDialog>
  );
}
