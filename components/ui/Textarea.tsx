import type { ComponentProps, ReactNode } from "react";
import { cn } from "./cn.ts";
import { CONTROL } from "./control.ts";

export function Textarea({ className, ...rest }: ComponentProps<"textarea">): ReactNode {
  return <textarea className={cn(CONTROL, "min-h-20 px-2.5 py-1.5", className)} {...rest} />;
}
