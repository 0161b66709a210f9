import type { ComponentProps, ReactNode } from "react";
import { cn } from "./cn.ts";
import { CONTROL } from "./control.ts";

export function Input({ className, ...rest }: ComponentProps<"input">): ReactNode {
  return <input className={cn(CONTROL, "h-8 px-2.5", className)} {...rest} />;
}
