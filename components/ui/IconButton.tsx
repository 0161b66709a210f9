"use client";
import type { ReactNode } from "react";
import { Button, type ButtonProps } from "./Button.tsx";
import { cn } from "./cn.ts";
import { Tooltip } from "./Tooltip.tsx";

export interface IconButtonProps extends Omit<ButtonProps, "asChild"> {
  /** Name for screen readers and the tooltip. */
  label: string;
}

/** A square button with an icon alone; its label is its tooltip. */
export function IconButton({ label, className, size, variant, reason, ...rest }: IconButtonProps): ReactNode {
  return (
    <Tooltip text={reason ? `${label}: ${reason}` : label}>
      <Button
        aria-label={label}
        variant={variant ?? "ghost"}
        size={size}
        aria-disabled={reason ? true : undefined}
        className={cn("px-0", size === "sm" ? "w-7" : size === "lg" ? "w-9" : "w-8", className)}
        {...rest}
        onClick={reason ? undefined : rest.onClick}
      />
    </Tooltip>
  );
}
