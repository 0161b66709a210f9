import type { Metadata } from "next";
import { Suspense, type ReactNode } from "react";
import { AuditView } from "#components/audit/AuditView.tsx";

export const metadata: Metadata = { title: "Audit" };

export default function AuditPage(): ReactNode {
  return (
    <Suspense>
      <AuditView />
    </Suspense>
  );
}
