"use client";
import { Switch as Radix } from "radix-ui";
import { useId, type ReactNode } from "react";
import { cn } from "./cn.ts";

export interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
  className?: string;
}

/** On or off, at once. A choice that waits for "Save" is a Checkbox. */
export function Switch({ checked, onChange, label, hint, disabled, className }: SwitchProps): ReactNode {
  const id = useId();
  return (
    <div className={cn("flex items-start gap-3", className)}>
      <Radix.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        disabled={disabled === true}
        aria-describedby={hint ? `${id}-hint` : undefined}
        className="mt-0.5 inline-flex h-5 w-9 shrink-0 items-center rounded-full border border-line-strong bg-sunken p-px transition-colors disabled:opacity-55 data-[state=checked]:border-accent data-[state=checked]:bg-accent"
      >
        <Radix.Thumb className="block size-4 rounded-full border border-line-strong bg-surface transition-transform data-[state=checked]:translate-x-4 data-[state=checked]:border-transparent data-[state=checked]:bg-on-accent" />
      </Radix.Root>
      <div>
        <label htmlFor={id}>{label}</label>
        {hint ? (
          <div id={`${id}-hint`} className="text-xs text-ink-3">
            {hint}
          </div>
        ) : null}
      </div>
    </div>
  );
}
