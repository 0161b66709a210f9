"use client";
import { CircleAlert } from "lucide-react";
import { cloneElement, useId, type ReactElement, type ReactNode } from "react";
import { cn } from "./cn.ts";

export interface FieldControl {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean | undefined;
}

export interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  required?: boolean;
  className?: string;
  /** The control alone, which is given its id and aria attributes, or a function that spreads them: `{(c) => <Input {...c} />}`. */
  children: ReactElement<Partial<FieldControl>> | ((control: FieldControl) => ReactNode);
}

/** A label, its control, a hint, and the error in words beneath, joined for screen readers. */
export function Field({ label, hint, error, required, className, children }: FieldProps): ReactNode {
  const id = useId();
  const described = [hint ? `${id}-hint` : null, error ? `${id}-error` : null].filter(Boolean).join(" ");
  const control: FieldControl = {
    id,
    "aria-describedby": described === "" ? undefined : described,
    "aria-invalid": error ? true : undefined,
  };
  return (
    <div className={cn("flex min-w-0 flex-col gap-1", className)}>
      <label htmlFor={id} className="text-xs font-medium text-ink-2">
        {label}
        {required === false ? <span className="font-normal text-ink-3"> (optional)</span> : null}
      </label>
      {typeof children === "function" ? children(control) : cloneElement(children, control)}
      {hint ? (
        <div id={`${id}-hint`} className="text-xs text-ink-3">
          {hint}
        </div>
      ) : null}
      {error ? (
        <div id={`${id}-error`} role="alert" className="flex items-start gap-1 text-xs text-bad">
          <CircleAlert aria-hidden className="mt-px size-3.5 shrink-0" />
          <span>{error}</span>
        </div>
      ) : null}
    </div>
  );
}
