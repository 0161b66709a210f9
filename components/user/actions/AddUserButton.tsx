"use client";
import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useForm, useWatch } from "react-hook-form";
import type { z } from "zod";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { NewUser, PASSWORD_LENGTH, User } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { userQueries } from "#lib/http/queries/user.ts";
import { RolePicker } from "../RolePicker.tsx";

export function AddUserButton({ reason }: { reason: string | null }): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="sm" reason={reason} onClick={() => setOpen(true)}>
        <UserPlus aria-hidden /> Add user
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Add a user"
        description="They sign in with this email and password, and can change the password themselves."
        size="sm"
      >
        <AddUserForm onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function AddUserForm({ onDone }: { onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const form = useForm<z.infer<typeof NewUser>>({
    resolver: zodResolver(NewUser),
    defaultValues: { name: "", email: "", role: "requester", password: "" },
  });
  const { errors } = form.formState;
  const role = useWatch({ control: form.control, name: "role" });
  const add = useMutation({
    mutationFn: (user: z.infer<typeof NewUser>) => api.post("/users", User, user),
    onSuccess: async (user) => {
      toastDone(`${user.name} was added.`);
      onDone();
      await client.invalidateQueries({ queryKey: userQueries.all });
    },
  });
  return (
    <form
      noValidate
      className="space-y-4"
      onSubmit={(event) => void form.handleSubmit((user) => add.mutate(user))(event)}
    >
      <Field label="Name" error={errors.name ? "Give a name of at most 120 characters" : undefined}>
        <Input autoComplete="off" {...form.register("name")} />
      </Field>
      <Field label="Email" error={errors.email ? "Give an email address" : undefined}>
        <Input type="email" autoComplete="off" {...form.register("email")} />
      </Field>
      <RolePicker value={role} onChange={(next) => form.setValue("role", next)} />
      <Field
        label="First password"
        error={errors.password?.message}
        hint={`At least ${PASSWORD_LENGTH} characters. Give it to them by another way than email.`}
      >
        <Input type="password" autoComplete="new-password" {...form.register("password")} />
      </Field>
      {add.error ? <ErrorNotice error={add.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={add.isPending}>
          {add.isPending ? "Adding…" : "Add user"}
        </Button>
      </div>
    </form>
  );
}
