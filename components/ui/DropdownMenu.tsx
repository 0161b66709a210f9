"use client";
import { Check } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "./cn.ts";

const ITEM =
  "flex cursor-default items-center gap-2 rounded-sm px-2 py-1.5 text-sm outline-none data-disabled:text-ink-3 data-highlighted:bg-hover [&_svg]:size-4 [&_svg]:shrink-0";

export interface MenuProps {
  trigger: ReactNode;
  align?: "start" | "center" | "end";
  children: ReactNode;
}

export function DropdownMenu({ trigger, align = "end", children }: MenuProps): ReactNode {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="appear z-60 max-h-(--radix-dropdown-menu-content-available-height) min-w-44 overflow-y-auto rounded-md border bg-raised p-1 shadow-float"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface MenuItemProps {
  onSelect?: () => void;
  icon?: ReactNode;
  danger?: boolean;
  /** Why it cannot be chosen now; the entry stays visible and says so. */
  reason?: string | null | undefined;
  children: ReactNode;
}

export function MenuItem({ onSelect, icon, danger, reason, children }: MenuItemProps): ReactNode {
  return (
    <Radix.Item
      disabled={Boolean(reason)}
      onSelect={() => onSelect?.()}
      className={cn(ITEM, danger && !reason && "text-bad")}
    >
      {icon}
      <span className="min-w-0">
        {children}
        {reason ? <span className="block max-w-64 text-xs">{reason}</span> : null}
      </span>
    </Radix.Item>
  );
}

/** One of several that exclude one another, with a mark at the chosen one. */
export function MenuRadio<V extends string>({
  value,
  onChange,
  options,
}: {
  value: V;
  onChange: (value: V) => void;
  options: readonly { value: V; label: ReactNode; icon?: ReactNode }[];
}): ReactNode {
  return (
    <Radix.RadioGroup value={value} onValueChange={(next) => onChange(next as V)}>
      {options.map((option) => (
        <Radix.RadioItem key={option.value} value={option.value} className={cn(ITEM, "pr-7")}>
          {option.icon}
          {option.label}
          <Radix.ItemIndicator className="ml-auto -mr-5">
            <Check aria-hidden />
          </Radix.ItemIndicator>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}

export function MenuLabel({ children }: { children: ReactNode }): ReactNode {
  return <Radix.Label className="px-2 py-1.5 text-xs text-ink-3">{children}</Radix.Label>;
}

export function MenuSeparator(): ReactNode {
  return <Radix.Separator className="-mx-1 my-1 h-px bg-line" />;
}
