"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { usePathname, useRouter } from "next/navigation";
import { useEffect, type ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { AppError } from "#lib/errors.ts";
import { setSignedOutHandler } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { SessionContext } from "./session-context.ts";
import { signInPath } from "./sign-in-path.ts";

/** Lets only signed-in people see the console; others go to sign in, or to the set-up of the first administrator. */
export function SessionGate({ children }: { children: ReactNode }): ReactNode {
  const router = useRouter();
  const path = usePathname();
  const client = useQueryClient();
  const session = useQuery(sessionQueries.current());
  const signedOut = session.error instanceof AppError && session.error.kind === "unauthenticated";
  const setup = useQuery({ ...sessionQueries.setup(), enabled: signedOut });

  useEffect(() => {
    // Any answer that says "sign in" ends the session here too; the gate then leads on.
    setSignedOutHandler(() => {
      const state = client.getQueryState(sessionQueries.current().queryKey);
      if (state?.status === "success") void client.invalidateQueries({ queryKey: sessionQueries.all });
    });
    return () => setSignedOutHandler(() => undefined);
  }, [client]);

  const setupKnown = !setup.isPending;
  const setupNeeded = setup.data?.needed === true;
  useEffect(() => {
    if (!signedOut || !setupKnown) return;
    router.replace(setupNeeded ? "/setup" : signInPath(path + window.location.search));
  }, [signedOut, setupKnown, setupNeeded, router, path]);

  if (session.data && !signedOut) return <SessionContext value={session.data}>{children}</SessionContext>;
  if (session.error && !signedOut) {
    return (
      <main className="mx-auto max-w-xl p-6">
        <ErrorNotice
          error={session.error}
          title="Supravisor could not be opened"
          onRetry={() => void session.refetch()}
        />
      </main>
    );
  }
  return (
    <main className="flex min-h-dvh items-center justify-center" aria-busy>
      <h1 className="sr-only">Supravisor</h1>
      <p role="status" className="text-ink-2">
        {signedOut ? "Going to sign in…" : "Reading your session…"}
      </p>
    </main>
  );
}
