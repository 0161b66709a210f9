"use client";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { Password, PASSWORD_LENGTH, type User } from "#lib/domain/user.ts";
import { useChangeUser } from "../useChangeUser.ts";

export function ResetPasswordDialog({ user, onClose }: { user: User; onClose: () => void }): ReactNode {
  const [password, setPassword] = useState("");
  const valid = Password.safeParse(password);
  const change = useChangeUser(user.id, () => {
    toastDone(`The password of ${user.name} was reset.`);
    onClose();
  });
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={`Reset the password of ${user.name}`}
      description="Wherever they are signed in, they are signed out, and their API tokens are revoked."
      size="sm"
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid.success) change.mutate({ password });
        }}
      >
        <Field
          label="New password"
          hint={`At least ${PASSWORD_LENGTH} characters.`}
          error={password !== "" && !valid.success ? valid.error.issues[0]?.message : undefined}
        >
          <Input
            type="password"
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        {change.error ? <ErrorNotice error={change.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={change.isPending} disabled={!valid.success}>
            Reset password
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
