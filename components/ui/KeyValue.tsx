import type { ReactNode } from "react";
import { cn } from "./cn.ts";

export interface Fact {
  key: string;
  value: ReactNode;
}

/** Facts of a thing. Empty values show as a dash so that "none" and "not read" do not look the same as missing. */
export function KeyValue({
  facts,
  className,
}: {
  facts: readonly (Fact | null | false)[];
  className?: string;
}): ReactNode {
  return (
    <dl className={cn("grid grid-cols-[minmax(7rem,max-content)_minmax(0,1fr)] gap-x-4 gap-y-1.5", className)}>
      {facts.map((fact) =>
        fact ? (
          <div key={fact.key} className="contents">
            <dt className="text-ink-3">{fact.key}</dt>
            <dd className="min-w-0 wrap-break-word">
              {fact.value === null || fact.value === undefined || fact.value === "" ? "–" : fact.value}
            </dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}
