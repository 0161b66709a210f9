import type { ComponentProps, ReactNode } from "react";
import { cn } from "./cn.ts";

/** A plain table for short lists. Long or sortable ones are a DataTable. Scrolls sideways on narrow screens. */
export function Table({
  label,
  className,
  children,
}: {
  label: string;
  className?: string;
  children: ReactNode;
}): ReactNode {
  return (
    <div className={cn("overflow-x-auto", className)} role="region" aria-label={label} tabIndex={0}>
      <table className="w-full border-collapse text-sm">{children}</table>
    </div>
  );
}

export function Th({ className, ...rest }: ComponentProps<"th">): ReactNode {
  return (
    <th
      scope="col"
      className={cn(
        "h-8 border-b bg-sunken px-3 text-left text-xs font-medium whitespace-nowrap text-ink-2",
        className,
      )}
      {...rest}
    />
  );
}

export function Td({ className, ...rest }: ComponentProps<"td">): ReactNode {
  return <td className={cn("h-8 px-3 py-1 align-middle", className)} {...rest} />;
}

export function Tr({ className, ...rest }: ComponentProps<"tr">): ReactNode {
  return <tr className={cn("border-b last:border-b-0 hover:bg-hover", className)} {...rest} />;
}
