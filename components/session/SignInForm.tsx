"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getProviders, signIn } from "next-auth/react";
import { useRouter } from "next/navigation";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { AppError } from "#lib/errors.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { signInError } from "./sign-in-words.ts";

export interface SignInFormProps {
  /** Where to go afterwards. */
  next: string;
  error: string | null;
  /** The person was signed in until now. */
  ended: boolean;
}

export function SignInForm({ next, error, ended }: SignInFormProps): ReactNode {
  const router = useRouter();
  const client = useQueryClient();
  const setup = useQuery(sessionQueries.setup());
  const providers = useQuery({ queryKey: ["session", "providers"], queryFn: () => getProviders(), retry: false });
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<AppError | null>(error ? signInError(error) : null);
  const setupNeeded = setup.data?.needed === true;
  useEffect(() => {
    if (setupNeeded) router.replace("/setup");
  }, [setupNeeded, router]);

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setFailure(null);
    try {
      const answer = await signIn("credentials", {
        redirect: false,
        email: form.get("email"),
        password: form.get("password"),
      });
      if (answer?.ok && !answer.error) {
        client.clear();
        router.replace(next);
        return;
      }
      setFailure(signInError(answer?.error ?? ""));
    } catch (cause) {
      setFailure(
        new AppError("unavailable", "server.unreachable", "The server cannot be reached.", {
          hint: "Check that Supravisor is running.",
          cause,
        }),
      );
    }
    setBusy(false);
  };

  const outside = Object.values(providers.data ?? {}).filter((provider) => provider.type !== "credentials");
  return (
    <Card className="w-full max-w-sm">
      <h1 className="mb-4 text-lg font-semibold">Sign in</h1>
      {ended && !failure ? (
        <p role="status" className="mb-4 rounded-md border bg-sunken px-3 py-2">
          Your session has ended. Sign in again to go on.
        </p>
      ) : null}
      <form method="post" className="space-y-4" onSubmit={(event) => void submit(event)}>
        <Field label="Email">
          <Input name="email" type="email" autoComplete="username" required autoFocus />
        </Field>
        <Field label="Password">
          <Input name="password" type="password" autoComplete="current-password" required />
        </Field>
        {failure ? <ErrorNotice error={failure} /> : null}
        <Button type="submit" variant="primary" size="lg" className="w-full" busy={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </Button>
      </form>
      {outside.length > 0 ? (
        <div className="mt-4 space-y-2 border-t pt-4">
          {outside.map((provider) => (
            <Button
              key={provider.id}
              size="lg"
              className="w-full"
              onClick={() => void signIn(provider.id, { callbackUrl: next })}
            >
              Sign in with {provider.name}
            </Button>
          ))}
        </div>
      ) : null}
    </Card>
  );
}
