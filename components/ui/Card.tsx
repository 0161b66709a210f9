import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface CardProps {
  title?: ReactNode;
  /** At the right of the title. */
  actions?: ReactNode;
  /** No padding around the body: for tables. */
  flush?: boolean;
  /** Level of the title in the page's outline. */
  level?: 2 | 3;
  className?: string;
  children: ReactNode;
}

export function Card({ title, actions, flush, level = 2, className, children }: CardProps): ReactNode {
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section className={cn("min-w-0 rounded-lg border bg-surface", className)}>
      {title ? (
        <header className="flex min-h-10 flex-wrap items-center gap-2 border-b px-4 py-1.5">
          <Heading className="grow font-semibold">{title}</Heading>
          {actions}
        </header>
      ) : null}
      <div className={flush ? undefined : "p-4"}>{children}</div>
    </section>
  );
}
