"use client";
import { CircleX, RotateCcw } from "lucide-react";
import type { ReactNode } from "react";
import { AppError } from "#lib/errors.ts";
import { Button } from "./Button.tsx";
import { cn } from "./cn.ts";

export interface ErrorFacts {
  code: string;
  message: string;
  hint?: string | undefined;
}

/** What to show of anything thrown or answered. A message of an unknown throw is a programmer's word, not a person's. */
function factsOf(error: unknown): ErrorFacts {
  if (error instanceof AppError) return { code: error.code, message: error.message, hint: error.hint };
  if (isFacts(error)) return error;
  return { code: "page.failed", message: "This page could not do that.", hint: "Reload the page and try again." };
}

function isFacts(value: unknown): value is ErrorFacts {
  return (
    typeof value === "object" && value !== null && !(value instanceof Error) && "code" in value && "message" in value
  );
}

export interface ErrorNoticeProps {
  /** An AppError, or an error as the API answers it (ErrorView). */
  error: unknown;
  /** What was being tried: "The hosts could not be read". */
  title?: string;
  onRetry?: () => void;
  className?: string;
}

/** A failure in words: what, why, what to do, and the code for the one who is asked for help. */
export function ErrorNotice({ error, title, onRetry, className }: ErrorNoticeProps): ReactNode {
  const { code, message, hint } = factsOf(error);
  return (
    <div
      role="alert"
      className={cn("flex items-start gap-2.5 rounded-md border border-bad/50 bg-bad-weak px-3 py-2", className)}
    >
      <CircleX aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0 grow wrap-break-word">
        {title ? <div className="font-medium">{title}</div> : null}
        <div>{message}</div>
        {hint ? <div className="mt-0.5 text-ink-2">{hint}</div> : null}
        <code className="mt-0.5 block text-xs text-ink-2">{code}</code>
      </div>
      {onRetry ? (
        <Button size="sm" onClick={onRetry}>
          <RotateCcw aria-hidden /> Try again
        </Button>
      ) : null}
    </div>
  );
}
