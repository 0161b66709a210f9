"use client";
import { useTheme } from "next-themes";
import type { ReactNode } from "react";
import { Toaster as Sonner, toast } from "sonner";
import { AppError } from "#lib/errors.ts";

export function Toaster(): ReactNode {
  const { resolvedTheme } = useTheme();
  return (
    <Sonner
      theme={resolvedTheme === "dark" ? "dark" : "light"}
      position="bottom-right"
      closeButton
      offset={48}
      toastOptions={{
        classNames: {
          toast: "!rounded-md !border !border-line !bg-raised !text-ink !text-[13px] !shadow-float",
          description: "!text-ink-2",
        },
      }}
    />
  );
}

/** Something was done; one sentence that names it. */
export function toastDone(message: string): void {
  toast.success(message);
}

/** Something asked for outside a form failed. Forms show an ErrorNotice instead. */
export function toastError(error: unknown, title?: string): void {
  const known = error instanceof AppError ? error : null;
  const message = known?.message ?? "This page could not do that.";
  const hint = known?.hint;
  toast.error(title ?? message, {
    description: title ? [message, hint].filter(Boolean).join(" ") : hint,
    duration: 10_000,
  });
}
