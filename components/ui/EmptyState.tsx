import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface EmptyStateProps {
  icon?: ReactNode;
  title: ReactNode;
  /** What this page is for. */
  children?: ReactNode;
  /** The first step, as buttons. */
  actions?: ReactNode;
  className?: string;
}

export function EmptyState({ icon, title, children, actions, className }: EmptyStateProps): ReactNode {
  return (
    <div className={cn("flex flex-col items-center gap-2 px-4 py-10 text-center", className)}>
      {icon ? (
        <div className="text-ink-3 [&_svg]:size-8" aria-hidden>
          {icon}
        </div>
      ) : null}
      <div className="text-base font-semibold">{title}</div>
      {children ? <div className="max-w-lg text-ink-2">{children}</div> : null}
      {actions ? <div className="mt-2 flex flex-wrap justify-center gap-2">{actions}</div> : null}
    </div>
  );
}
