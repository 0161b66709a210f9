"use client";
import {
  columnSizingFeature,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_basic,
  tableFeatures,
  useTable,
  type SortingState,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { cn } from "./cn.ts";
import { DataTableHeader } from "./DataTableHeader.tsx";
import { ErrorNotice } from "./ErrorNotice.tsx";

export interface DataColumn<T> {
  id: string;
  header: string;
  /** Pixels. The widest column that grows takes what is left. */
  width: number;
  grow?: boolean;
  align?: "left" | "right";
  /** Left out: the column cannot be sorted. Null values come last. */
  sortValue?: (row: T) => string | number | null;
  cell: (row: T) => ReactNode;
}

export interface DataSort {
  id: string;
  desc: boolean;
}

export interface DataTableProps<T> {
  /** Name of the table for screen readers. */
  label: string;
  columns: readonly DataColumn<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** Words while nothing is there yet: "Reading the virtual machines…". Null: loaded. */
  loading?: string | null;
  error?: unknown;
  onRetry?: () => void;
  /** Shown instead of rows when there are none. */
  empty: ReactNode;
  /** Controlled sorting; `onSort` given means that the server sorts and the rows come in order. */
  sort?: DataSort | null;
  onSort?: (sort: DataSort | null) => void;
  /** First sorting when the table sorts by itself. */
  initialSort?: DataSort;
  /** Enter, or a click on the row outside its buttons and links. */
  onOpen?: (row: T) => void;
  selectedKey?: string | null;
  /** The end has come near: fetch the next page. */
  onEnd?: () => void;
  /** How many rows there are in all, when more can be fetched. */
  total?: number;
  /** Default: fills the parent, which must have a height. A number: at most that many pixels. */
  maxHeight?: number;
  className?: string;
}

const ROW = 32;
const features = tableFeatures({
  columnSizingFeature,
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic, alphanumeric: sortFn_alphanumeric },
});

/** Rows by the ten thousand: only those in view are in the page. Arrow keys walk, Enter opens. */
export function DataTable<T>(props: DataTableProps<T>): ReactNode {
  const {
    label,
    columns,
    rows,
    rowKey,
    loading,
    error,
    onRetry,
    empty,
    sort,
    onSort,
    initialSort,
    onOpen,
    selectedKey,
    onEnd,
    total,
    maxHeight,
    className,
  } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [ownSort, setOwnSort] = useState<DataSort | null>(initialSort ?? null);
  const [cursor, setCursor] = useState(0);
  const current = onSort ? (sort ?? null) : ownSort;
  const sorting = useMemo<SortingState>(() => (current ? [current] : []), [current]);

  const definitions = useMemo(
    () =>
      columns.map((column) => ({
        id: column.id,
        header: column.header,
        size: column.width,
        accessorFn: (row: T & object): unknown => column.sortValue?.(row) ?? undefined,
        enableSorting: column.sortValue !== undefined,
        sortFn: "alphanumeric" as const,
        sortUndefined: "last" as const,
      })),
    [columns],
  );
  const data = rows as readonly (T & object)[];
  const table = useTable({
    features,
    columns: definitions,
    data,
    getRowId: (row: T & object) => rowKey(row),
    state: { sorting },
    manualSorting: onSort !== undefined,
  });
  const shown = table.getRowModel().rows;

  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onEnd && shown.length > 0 && lastIndex >= shown.length - 40) onEnd();
  }, [lastIndex, shown.length, onEnd]);

  const template = columns
    .map((column) => (column.grow ? `minmax(${column.width}px, 1fr)` : `${column.width}px`))
    .join(" ");
  const minWidth = columns.reduce((sum, column) => sum + column.width, 0);

  const toggle = (id: string): void => {
    const next = current?.id !== id ? { id, desc: false } : current.desc ? null : { id, desc: true };
    if (onSort) onSort(next);
    else setOwnSort(next);
  };

  const active = Math.min(cursor, Math.max(0, shown.length - 1));
  const goTo = (index: number): void => {
    const next = Math.max(0, Math.min(shown.length - 1, index));
    setCursor(next);
    virtual.scrollToIndex(next);
    // The row may not be in the page before the scroll has drawn it.
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (!(event.target instanceof HTMLElement) || event.target.dataset.row === undefined) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? ROW * 10) / ROW) - 2);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: shown.length - 1,
    };
    const target = steps[event.key];
    const row = shown[active]?.original;
    if (target !== undefined) {
      event.preventDefault();
      goTo(target);
    } else if (event.key === "Enter" && onOpen && row) {
      event.preventDefault();
      onOpen(row);
    }
  };

  if (error && rows.length === 0) {
    return (
      <div className="p-4">
        <ErrorNotice error={error} {...(onRetry ? { onRetry } : {})} />
      </div>
    );
  }
  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={(total ?? shown.length) + 1}
      aria-busy={loading ? true : undefined}
      onKeyDown={onKeyDown}
      className={cn("relative min-h-0 overflow-auto bg-surface", maxHeight === undefined && "h-full", className)}
      style={maxHeight === undefined ? undefined : { maxHeight }}
    >
      <DataTableHeader columns={columns} sort={current} onToggle={toggle} template={template} minWidth={minWidth} />
      {shown.length === 0 ? (
        <div role="row" className="sticky left-0">
          <div role="gridcell" aria-colspan={columns.length}>
            {loading ? (
              <div role="status" className="px-4 py-6 text-ink-2">
                {loading}
              </div>
            ) : (
              empty
            )}
          </div>
        </div>
      ) : (
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), minWidth, position: "relative" }}>
          {items.map((item) => {
            const row = shown[item.index];
            if (!row) return null;
            const selected = selectedKey !== undefined && selectedKey !== null && row.id === selectedKey;
            return (
              <div
                key={row.id}
                role="row"
                data-row={item.index}
                aria-rowindex={item.index + 2}
                aria-selected={selectedKey === undefined ? undefined : selected}
                tabIndex={item.index === active ? 0 : -1}
                onFocus={() => setCursor(item.index)}
                onClick={(event) => {
                  if (event.target instanceof Element && event.target.closest("a,button,input,[role=menuitem],label"))
                    return;
                  onOpen?.(row.original);
                }}
                className={cn(
                  "absolute top-0 left-0 grid w-full items-center border-b text-sm outline-offset-[-2px] hover:bg-hover",
                  onOpen && "cursor-pointer",
                  selected && "bg-accent-weak hover:bg-accent-weak",
                )}
                style={{ height: ROW, gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
              >
                {columns.map((column) => (
                  <div
                    key={column.id}
                    role="gridcell"
                    className={cn("min-w-0 truncate px-3", column.align === "right" && "text-right")}
                  >
                    {column.cell(row.original)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      )}
    </div>
  );
}
