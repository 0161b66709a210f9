"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState, type ReactNode } from "react";
import { z } from "zod";
import { useSession } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { CopyButton } from "#components/ui/CopyButton.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Select } from "#components/ui/Select.tsx";
import { RolePicker } from "#components/user/RolePicker.tsx";
import { ACTIONS, may, ROLES, type Role } from "#lib/domain/role.ts";
import { ApiToken, NewApiToken } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { tokenQueries } from "#lib/http/queries/user.ts";

const Created = z.object({ token: ApiToken, secret: z.string() });
const DAYS = ["7", "30", "90", "365"] as const;

export function AddTokenButton(): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="sm" onClick={() => setOpen(true)}>
        <Plus aria-hidden /> New token
      </Button>
      <Dialog open={open} onOpenChange={setOpen} title="New API token" size="sm">
        <TokenForm onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

/** Roles that may nothing that the owner may not. */
function rolesWithin(own: Role): Role[] {
  return ROLES.filter((role) => ACTIONS.every((action) => !may(role, action) || may(own, action)));
}

function TokenForm({ onDone }: { onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const own = useSession().user.role;
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>(own);
  const [days, setDays] = useState<(typeof DAYS)[number]>("90");
  const wanted = NewApiToken.safeParse({ name, role, expiresInDays: Number(days) });
  const create = useMutation({
    mutationFn: () => api.post("/tokens", Created, wanted.data),
    onSuccess: () => client.invalidateQueries({ queryKey: tokenQueries.all }),
  });
  if (create.data) return <Secret secret={create.data.secret} onDone={onDone} />;
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (wanted.success) create.mutate();
      }}
    >
      <Field label="Name" hint="What uses it: “backup script”.">
        <Input value={name} onChange={(event) => setName(event.target.value)} autoComplete="off" maxLength={80} />
      </Field>
      <RolePicker value={role} onChange={setRole} roles={rolesWithin(own)} />
      <Field label="Expires in">
        <Select value={days} onChange={setDays} options={DAYS.map((value) => ({ value, label: `${value} days` }))} />
      </Field>
      {create.error ? <ErrorNotice error={create.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={create.isPending} disabled={!wanted.success}>
          Create token
        </Button>
      </div>
    </form>
  );
}

function Secret({ secret, onDone }: { secret: string; onDone: () => void }): ReactNode {
  return (
    <div className="space-y-4">
      <p role="status">The token is shown this once. Copy it now: only its hash is kept.</p>
      <div className="flex items-center gap-2 rounded-md border bg-sunken px-3 py-2">
        <code className="min-w-0 grow text-xs break-all" data-testid="token-secret">
          {secret}
        </code>
        <CopyButton text={secret} label="Copy the token" />
      </div>
      <div className="flex justify-end">
        <Button variant="primary" onClick={onDone}>
          I have copied it
        </Button>
      </div>
    </div>
  );
}
