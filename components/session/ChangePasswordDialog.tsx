"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { Password, PASSWORD_LENGTH } from "#lib/domain/user.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { tokenQueries } from "#lib/http/queries/user.ts";

export function ChangePasswordDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}): ReactNode {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Change password"
      description="Other browsers that you are signed in with are signed out, and your API tokens are revoked."
      size="sm"
    >
      <PasswordForm onDone={() => onOpenChange(false)} />
    </Dialog>
  );
}

function PasswordForm({ onDone }: { onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const valid = Password.safeParse(next);
  const change = useMutation({
    mutationFn: () => api.post("/session/password", Nothing, { current, next }),
    onSuccess: async () => {
      await Promise.all(
        [sessionQueries.list().queryKey, tokenQueries.all].map((queryKey) => client.invalidateQueries({ queryKey })),
      );
      toastDone("Your password was changed.");
      onDone();
    },
  });
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (valid.success) change.mutate();
      }}
    >
      <Field label="Current password">
        <Input
          type="password"
          autoComplete="current-password"
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
          required
        />
      </Field>
      <Field
        label="New password"
        hint={`At least ${PASSWORD_LENGTH} characters; a sentence is good.`}
        error={next !== "" && !valid.success ? valid.error.issues[0]?.message : undefined}
      >
        <Input
          type="password"
          autoComplete="new-password"
          value={next}
          onChange={(event) => setNext(event.target.value)}
          required
        />
      </Field>
      {change.error ? <ErrorNotice error={change.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={change.isPending} disabled={!valid.success || current === ""}>
          Change password
        </Button>
      </div>
    </form>
  );
}
