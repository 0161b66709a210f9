import type { Metadata } from "next";
import type { ReactNode } from "react";
import { VmView } from "#components/vm/VmView.tsx";

export const metadata: Metadata = { title: "Virtual machine" };

export default async function VmPage({
  params,
}: {
  params: Promise<{ hostId: string; ref: string }>;
}): Promise<ReactNode> {
  const { hostId, ref } = await params;
  // Segments arrive as they stand in the address: still encoded.
  return <VmView hostId={hostId} vmRef={decodeURIComponent(ref)} />;
}
