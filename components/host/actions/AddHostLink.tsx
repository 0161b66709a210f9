"use client";
import Link from "next/link";
import type { ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";

export function AddHostLink({ icon }: { icon?: ReactNode }): ReactNode {
  const reason = useMayReason("host.add");
  if (reason) {
    return (
      <Button variant="primary" reason={reason}>
        {icon} Add host
      </Button>
    );
  }
  return (
    <Button asChild variant="primary">
      <Link href="/hosts/new">{icon} Add host</Link>
    </Button>
  );
}
