import type { Metadata } from "next";
import type { ReactNode } from "react";
import { HostView } from "#components/host/HostView.tsx";

export const metadata: Metadata = { title: "Host" };

export default async function HostPage({ params }: { params: Promise<{ id: string }> }): Promise<ReactNode> {
  const { id } = await params;
  return <HostView id={id} />;
}
