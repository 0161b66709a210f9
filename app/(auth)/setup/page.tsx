import type { Metadata } from "next";
import type { ReactNode } from "react";
import { SetupForm } from "#components/setup/SetupForm.tsx";

export const metadata: Metadata = { title: "First administrator" };

interface Props {
  searchParams: Promise<Record<string, string | string[] | undefined>>;
}

export default async function SetupPage({ searchParams }: Props): Promise<ReactNode> {
  const { code } = await searchParams;
  return <SetupForm code={typeof code === "string" ? code : ""} />;
}
