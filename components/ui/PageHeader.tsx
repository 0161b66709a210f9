import type { ReactNode } from "react";

export interface PageHeaderProps {
  title: ReactNode;
  /** Small line under the title. */
  subtitle?: ReactNode;
  /** In front of the title: a glyph. */
  icon?: ReactNode;
  /** Buttons at the right. */
  actions?: ReactNode;
}

export function PageHeader({ title, subtitle, icon, actions }: PageHeaderProps): ReactNode {
  return (
    <header className="flex flex-wrap items-center gap-x-4 gap-y-2">
      <div className="flex min-w-0 grow basis-72 items-center gap-2.5">
        {icon}
        <div className="min-w-0">
          <h1 className="text-lg font-semibold wrap-break-word">{title}</h1>
          {subtitle ? <div className="text-ink-2">{subtitle}</div> : null}
        </div>
      </div>
      {actions ? <div className="flex flex-wrap gap-2">{actions}</div> : null}
    </header>
  );
}
