"use client";
import { Check, ChevronDown } from "lucide-react";
import { Select as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";
import { CONTROL } from "./control.ts";

export interface SelectOption<V extends string = string> {
  value: V;
  label: ReactNode;
  /** Second line in small letters. */
  hint?: ReactNode;
  /** Why it cannot be chosen; the option stays visible. */
  disabledReason?: string | null;
}

export interface SelectProps<V extends string> {
  value: V | null;
  onChange: (value: V) => void;
  options: readonly SelectOption<V>[];
  placeholder?: string;
  disabled?: boolean;
  id?: string;
  className?: string;
  "aria-label"?: string;
  "aria-labelledby"?: string;
  "aria-describedby"?: string | undefined;
  "aria-invalid"?: boolean | undefined;
}

/** One of a few. Values are never empty strings (radix keeps that for "nothing chosen"). */
export function Select<V extends string>({
  value,
  onChange,
  options,
  placeholder,
  disabled,
  className,
  ...aria
}: SelectProps<V>): ReactNode {
  return (
    <Radix.Root value={value ?? ""} onValueChange={(next) => onChange(next as V)} disabled={disabled === true}>
      <Radix.Trigger
        {...aria}
        className={cn(
          CONTROL,
          "flex h-8 items-center justify-between gap-2 px-2.5 text-left data-placeholder:text-ink-3",
          className,
        )}
      >
        <span className="min-w-0 truncate">
          <Radix.Value placeholder={placeholder ?? "Choose…"} />
        </span>
        <ChevronDown aria-hidden className="size-4 shrink-0 text-ink-3" />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          position="popper"
          sideOffset={4}
          collisionPadding={8}
          className="appear z-60 max-h-(--radix-select-content-available-height) min-w-(--radix-select-trigger-width) overflow-hidden rounded-md border bg-raised shadow-float"
        >
          <Radix.Viewport className="p-1">
            {options.map((option) => (
              <Radix.Item
                key={option.value}
                value={option.value}
                disabled={Boolean(option.disabledReason)}
                className="relative flex cursor-default items-start gap-2 rounded-sm py-1.5 pr-8 pl-2 text-sm outline-none data-disabled:opacity-60 data-highlighted:bg-hover"
              >
                <div className="min-w-0">
                  <Radix.ItemText>{option.label}</Radix.ItemText>
                  {option.disabledReason || option.hint ? (
                    <div className="text-xs text-ink-3">{option.disabledReason ?? option.hint}</div>
                  ) : null}
                </div>
                <Radix.ItemIndicator className="absolute top-2 right-2">
                  <Check aria-hidden className="size-4" />
                </Radix.ItemIndicator>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
