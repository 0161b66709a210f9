import type { Metadata } from "next";
import type { ReactNode } from "react";
import { AddHostView } from "#components/host/AddHostView.tsx";

export const metadata: Metadata = { title: "Add a host" };

interface Props {
  searchParams: Promise<Record<string, string | string[] | undefined>>;
}

export default async function AddHostPage({ searchParams }: Props): Promise<ReactNode> {
  const { socket } = await searchParams;
  return <AddHostView socket={typeof socket === "string" ? socket : null} />;
}
