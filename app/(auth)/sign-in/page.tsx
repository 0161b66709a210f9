import type { Metadata } from "next";
import type { ReactNode } from "react";
import { SignInForm } from "#components/session/SignInForm.tsx";
import { safeNext } from "#components/session/sign-in-path.ts";

export const metadata: Metadata = { title: "Sign in" };

interface Props {
  searchParams: Promise<Record<string, string | string[] | undefined>>;
}

export default async function SignInPage({ searchParams }: Props): Promise<ReactNode> {
  const { next, error, ended } = await searchParams;
  return (
    <SignInForm
      next={safeNext(typeof next === "string" ? next : null)}
      error={typeof error === "string" ? error : null}
      ended={ended === "1"}
    />
  );
}
