"use client";
import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

export interface Tab<V extends string> {
  value: V;
  label: ReactNode;
  /** Small number behind the label. */
  count?: number | null;
  content: ReactNode;
}

export interface TabsProps<V extends string> {
  value: V;
  onChange: (value: V) => void;
  tabs: readonly Tab<V>[];
  /** Name of the row of tabs for screen readers. */
  label: string;
}

/** Keep `value` in the address (nuqs), so that a tab can be linked to. */
export function Tabs<V extends string>({ value, onChange, tabs, label }: TabsProps<V>): ReactNode {
  return (
    <Radix.Root value={value} onValueChange={(next) => onChange(next as V)} className="flex min-h-0 grow flex-col">
      <Radix.List aria-label={label} className="flex shrink-0 gap-1 overflow-x-auto border-b">
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px flex h-9 items-center gap-1.5 border-b-2 border-transparent px-3 font-medium whitespace-nowrap text-ink-2 outline-offset-[-2px] hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {tab.label}
            {tab.count === undefined || tab.count === null ? null : (
              <span className="rounded-full bg-sunken px-1.5 text-xs font-normal text-ink-2">
                {tab.count.toLocaleString("en")}
              </span>
            )}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.value} value={tab.value} className="min-h-0 grow pt-4 outline-offset-[-2px]">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
