"use client";
import { Check, Minus } from "lucide-react";
import { Checkbox as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";
import { cn } from "./cn.ts";

export interface CheckboxProps {
  checked: boolean | "indeterminate";
  onChange: (checked: boolean) => void;
  /** Left out: give `aria-label`. */
  label?: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
  "aria-label"?: string;
  className?: string;
}

export function Checkbox({ checked, onChange, label, hint, disabled, className, ...aria }: CheckboxProps): ReactNode {
  const id = useId();
  return (
    <div className={cn("flex items-start gap-2", className)}>
      <Radix.Root
        id={id}
        checked={checked}
        onCheckedChange={(next) => onChange(next === true)}
        disabled={disabled === true}
        aria-describedby={hint ? `${id}-hint` : undefined}
        {...aria}
        className="mt-0.5 flex size-4 shrink-0 items-center justify-center rounded-sm border border-line-strong bg-surface disabled:opacity-55 data-[state=checked]:border-accent data-[state=checked]:bg-accent data-[state=checked]:text-on-accent data-[state=indeterminate]:border-accent data-[state=indeterminate]:bg-accent data-[state=indeterminate]:text-on-accent"
      >
        <Radix.Indicator>
          {checked === "indeterminate" ? (
            <Minus aria-hidden className="size-3" strokeWidth={3} />
          ) : (
            <Check aria-hidden className="size-3" strokeWidth={3} />
          )}
        </Radix.Indicator>
      </Radix.Root>
      {label ? (
        <div>
          <label htmlFor={id} className={disabled === true ? "text-ink-3" : undefined}>
            {label}
          </label>
          {hint ? (
            <div id={`${id}-hint`} className="text-xs text-ink-3">
              {hint}
            </div>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}
