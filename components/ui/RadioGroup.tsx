"use client";
import { RadioGroup as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";
import { cn } from "./cn.ts";

export interface RadioOption<V extends string> {
  value: V;
  label: ReactNode;
  hint?: ReactNode;
  disabledReason?: string | null;
}

export interface RadioGroupProps<V extends string> {
  value: V | null;
  onChange: (value: V) => void;
  options: readonly RadioOption<V>[];
  /** Name of the group for screen readers. */
  label: string;
  /** Side by side from the small breakpoint on. */
  inline?: boolean;
}

export function RadioGroup<V extends string>({
  value,
  onChange,
  options,
  label,
  inline,
}: RadioGroupProps<V>): ReactNode {
  const id = useId();
  return (
    <Radix.Root
      value={value ?? ""}
      onValueChange={(next) => onChange(next as V)}
      aria-label={label}
      className={cn("flex flex-col gap-2", inline && "sm:flex-row sm:gap-4")}
    >
      {options.map((option) => (
        <div key={option.value} className="flex items-start gap-2">
          <Radix.Item
            id={`${id}-${option.value}`}
            value={option.value}
            disabled={Boolean(option.disabledReason)}
            className="mt-0.5 flex size-4 shrink-0 items-center justify-center rounded-full border border-line-strong bg-surface disabled:opacity-55 data-[state=checked]:border-accent"
          >
            <Radix.Indicator className="size-2 rounded-full bg-accent" />
          </Radix.Item>
          <div>
            <label htmlFor={`${id}-${option.value}`} className={option.disabledReason ? "text-ink-3" : undefined}>
              {option.label}
            </label>
            {option.disabledReason || option.hint ? (
              <div className="text-xs text-ink-3">{option.disabledReason ?? option.hint}</div>
            ) : null}
          </div>
        </div>
      ))}
    </Radix.Root>
  );
}
