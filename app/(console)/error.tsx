"use client";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";

export default function ConsoleError({ error, reset }: { error: Error; reset: () => void }): ReactNode {
  return (
    <div className="p-6">
      <h1 className="sr-only">This page failed</h1>
      <ErrorNotice error={error} title="This page failed" onRetry={reset} />
    </div>
  );
}
