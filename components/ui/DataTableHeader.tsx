"use client";
import { ArrowDown, ArrowUp } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";
import type { DataColumn, DataSort } from "./DataTable.tsx";

export interface DataTableHeaderProps<T> {
  columns: readonly DataColumn<T>[];
  sort: DataSort | null;
  onToggle: (id: string) => void;
  template: string;
  minWidth: number;
}

export function DataTableHeader<T>({
  columns,
  sort,
  onToggle,
  template,
  minWidth,
}: DataTableHeaderProps<T>): ReactNode {
  return (
    <div role="rowgroup" className="sticky top-0 z-10" style={{ minWidth }}>
      <div
        role="row"
        aria-rowindex={1}
        className="grid h-8 border-b bg-sunken text-xs font-medium text-ink-2"
        style={{ gridTemplateColumns: template }}
      >
        {columns.map((column) => {
          const direction = sort?.id === column.id ? (sort.desc ? "descending" : "ascending") : null;
          const right = column.align === "right";
          return (
            <div
              key={column.id}
              role="columnheader"
              aria-sort={column.sortValue ? (direction ?? "none") : undefined}
              className="min-w-0"
            >
              {column.sortValue ? (
                <button
                  type="button"
                  onClick={() => onToggle(column.id)}
                  className={cn(
                    "flex h-full w-full items-center gap-1 px-3 outline-offset-[-2px] hover:text-ink",
                    right && "justify-end",
                  )}
                >
                  <span className="truncate">{column.header}</span>
                  {direction === "ascending" ? <ArrowUp aria-hidden className="size-3 shrink-0" /> : null}
                  {direction === "descending" ? <ArrowDown aria-hidden className="size-3 shrink-0" /> : null}
                </button>
              ) : (
                <div className={cn("flex h-full items-center px-3", right && "justify-end")}>
                  <span className="truncate">{column.header}</span>
                </div>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}
