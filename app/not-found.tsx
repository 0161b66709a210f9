import Link from "next/link";
import type { ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";

export default function NotFound(): ReactNode {
  return (
    <main className="p-6">
      <h1 className="sr-only">Page not found</h1>
      <EmptyState
        title="There is no such page"
        actions={
          <Button asChild>
            <Link href="/">Go to the overview</Link>
          </Button>
        }
      >
        The address may be old, or the thing it named may have been removed.
      </EmptyState>
    </main>
  );
}
