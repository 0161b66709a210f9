"use client";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import type { User } from "#lib/domain/user.ts";
import { RolePicker } from "../RolePicker.tsx";
import { useChangeUser } from "../useChangeUser.ts";

export function EditUserDialog({ user, onClose }: { user: User; onClose: () => void }): ReactNode {
  const [name, setName] = useState(user.name);
  const [role, setRole] = useState(user.role);
  const change = useChangeUser(user.id, (saved) => {
    toastDone(`${saved.name} was saved.`);
    onClose();
  });
  return (
    <Dialog open onOpenChange={(open) => (open ? undefined : onClose())} title={`Edit ${user.name}`} size="sm">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ name, role });
        }}
      >
        <Field label="Name">
          <Input value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <RolePicker value={role} onChange={setRole} />
        {change.error ? <ErrorNotice error={change.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={change.isPending} disabled={name.trim() === ""}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
