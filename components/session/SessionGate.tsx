"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { usePathname, useRouter } from "next/navigation";
import { useEffect, useState, type ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { AppError } from "#lib/errors.ts";
import { setSignedOutHandler } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { SessionContext } from "./session-context.ts";
import { signInPath } from "./sign-in-path.ts";

/**
 * Lets only signed-in people see the console; others go to sign in, or to the set-up of the first administrator. Once
 * a session has ended nothing of the console is shown or asked for: the frame goes, and its event stream with it.
 */
export function SessionGate({ children }: { children: ReactNode }): ReactNode {
  const router = useRouter();
  const path = usePathname();
  const client = useQueryClient();
  const [refused, setRefused] = useState(false);
  const session = useQuery({ ...sessionQueries.current(), enabled: !refused });
  const signedOut = refused || (session.error instanceof AppError && session.error.kind === "unauthenticated");
  // It was there and is not any more: said on the page to sign in at, unlike to somebody who only just came.
  const ended = signedOut && session.data !== undefined;
  const setup = useQuery({ ...sessionQueries.setup(), enabled: signedOut && !ended });

  useEffect(() => {
    // Any answer that says "sign in" ends the session here too, and nothing is asked to make sure.
    setSignedOutHandler(() => setRefused(true));
    return () => setSignedOutHandler(() => undefined);
  }, []);

  const setupKnown = ended || !setup.isPending;
  const setupNeeded = setup.data?.needed === true;
  useEffect(() => {
    if (!signedOut || !setupKnown) return;
    router.replace(setupNeeded ? "/setup" : signInPath(path + window.location.search, { ended }));
  }, [signedOut, ended, setupKnown, setupNeeded, router, path]);
  // What the person could see does not stay in a browser that they are signed out of.
  useEffect(() => () => (ended ? client.clear() : undefined), [ended, client]);

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
        {ended ? "Your session has ended." : signedOut ? "Going to sign in…" : "Reading your session…"}
      </p>
    </main>
  );
}
