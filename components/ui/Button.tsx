"use client";
import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { cn } from "./cn.ts";
import { Tooltip } from "./Tooltip.tsx";

const look = cva(
  "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors select-none disabled:cursor-not-allowed disabled:opacity-55 aria-disabled:cursor-not-allowed aria-disabled:opacity-55 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        default: "border-line-strong/60 bg-surface text-ink not-disabled:not-aria-disabled:hover:bg-hover",
        primary: "border-accent bg-accent text-on-accent not-disabled:not-aria-disabled:hover:bg-accent-hover",
        danger: "border-bad/60 bg-surface text-bad not-disabled:not-aria-disabled:hover:bg-bad-weak",
        ghost:
          "border-transparent bg-transparent text-ink-2 not-disabled:not-aria-disabled:hover:bg-hover not-disabled:not-aria-disabled:hover:text-ink",
      },
      size: { sm: "h-7 px-2 text-xs", md: "h-8 px-3 text-sm", lg: "h-9 px-4 text-base" },
    },
    defaultVariants: { variant: "default", size: "md" },
  },
);

export interface ButtonProps extends ComponentProps<"button">, VariantProps<typeof look> {
  /** Renders its only child (a link) with the button's look. */
  asChild?: boolean;
  /** Work is under way: the button waits, keeps its width and says so to screen readers. */
  busy?: boolean;
  /** Why it cannot be used: shown as a tooltip; the button stays reachable so that the reason can be read. */
  reason?: string | null | undefined;
}

export function Button({
  className,
  variant,
  size,
  asChild,
  busy,
  reason,
  disabled,
  onClick,
  children,
  type,
  ...rest
}: ButtonProps): ReactNode {
  const classes = cn(look({ variant, size }), className);
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  }
  const blocked = Boolean(reason);
  const button = (
    <button
      type={type ?? "button"}
      className={classes}
      disabled={disabled === true || busy === true}
      aria-busy={busy === true ? true : undefined}
      aria-disabled={blocked ? true : undefined}
      {...rest}
      onClick={blocked ? (event) => event.preventDefault() : onClick}
    >
      {children}
    </button>
  );
  return reason ? <Tooltip text={reason}>{button}</Tooltip> : button;
}
