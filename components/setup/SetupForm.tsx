"use client";
import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { signIn } from "next-auth/react";
import { useRouter } from "next/navigation";
import { useEffect, type ReactNode } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { NewUser, PASSWORD_LENGTH, User } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";

const Form = NewUser.omit({ role: true })
  .extend({ repeat: z.string(), code: z.string().trim().min(1).max(100) })
  .refine((form) => form.password === form.repeat, { path: ["repeat"], message: "The two passwords differ" });

/** `code`: from the address that the server printed; empty when somebody came another way. */
export function SetupForm({ code }: { code: string }): ReactNode {
  const router = useRouter();
  const client = useQueryClient();
  const setup = useQuery(sessionQueries.setup());
  const done = setup.data?.needed === false;
  const form = useForm({
    resolver: zodResolver(Form),
    defaultValues: { name: "", email: "", password: "", repeat: "", code },
  });
  const { errors } = form.formState;

  const create = useMutation({
    mutationFn: async ({ name, email, password, code }: z.infer<typeof Form>) => {
      await api.post("/setup", User, { name, email, password, code });
      return signIn("credentials", { redirect: false, email, password });
    },
    onSuccess: (answer) => {
      client.clear();
      router.replace(answer?.ok ? "/" : "/sign-in");
    },
  });
  const leaving = create.isPending || create.isSuccess;
  useEffect(() => {
    if (done && !leaving) router.replace("/sign-in");
  }, [done, leaving, router]);

  return (
    <Card className="w-full max-w-md">
      <h1 className="text-lg font-semibold">Create the first administrator</h1>
      <p className="mt-1 mb-4 text-ink-2">
        This console has no users yet. The first one may do everything; others are added under Settings.
      </p>
      {setup.error ? <ErrorNotice error={setup.error} onRetry={() => void setup.refetch()} className="mb-4" /> : null}
      <form
        method="post"
        noValidate
        className="space-y-4"
        onSubmit={(event) => void form.handleSubmit((values) => create.mutate(values))(event)}
      >
        {code === "" ? (
          <Field
            label="Setup code"
            error={errors.code ? "Give the code" : undefined}
            hint="The server printed it when it started; it is also in the file setup-code of its data folder."
          >
            <Input autoComplete="off" autoFocus {...form.register("code")} />
          </Field>
        ) : null}
        <Field label="Name" error={errors.name ? "Give a name of at most 120 characters" : undefined}>
          <Input autoComplete="name" autoFocus={code !== ""} {...form.register("name")} />
        </Field>
        <Field label="Email" error={errors.email ? "Give an email address" : undefined} hint="You sign in with it.">
          <Input type="email" autoComplete="username" {...form.register("email")} />
        </Field>
        <Field
          label="Password"
          error={errors.password?.message}
          hint={`At least ${PASSWORD_LENGTH} characters; a sentence is good.`}
        >
          <Input type="password" autoComplete="new-password" {...form.register("password")} />
        </Field>
        <Field label="Password once more" error={errors.repeat?.message}>
          <Input type="password" autoComplete="new-password" {...form.register("repeat")} />
        </Field>
        {create.error ? <ErrorNotice error={create.error} /> : null}
        <Button type="submit" variant="primary" size="lg" className="w-full" busy={create.isPending}>
          {create.isPending ? "Creating the administrator…" : "Create administrator"}
        </Button>
      </form>
    </Card>
  );
}
