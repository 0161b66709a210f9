import { cva, type VariantProps } from "class-variance-authority";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";

const look = cva("inline-flex h-5 items-center gap-1 rounded-sm border px-1.5 text-xs whitespace-nowrap", {
  variants: {
    tone: {
      neutral: "border-line bg-sunken text-ink-2",
      accent: "border-accent-ink/40 bg-accent-weak text-accent-ink",
      ok: "border-ok/40 bg-ok-weak text-ok",
      warn: "border-warn/40 bg-warn-weak text-warn",
      bad: "border-bad/40 bg-bad-weak text-bad",
    },
  },
  defaultVariants: { tone: "neutral" },
});

export type Tone = NonNullable<VariantProps<typeof look>["tone"]>;

/** A short fact. A state wants a StateMark instead: a shape and a word. */
export function Badge({
  tone,
  className,
  children,
}: {
  tone?: Tone;
  className?: string;
  children: ReactNode;
}): ReactNode {
  return <span className={cn(look({ tone }), className)}>{children}</span>;
}
