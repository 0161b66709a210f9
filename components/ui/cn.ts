import { clsx, type ClassValue } from "clsx";
import { extendTailwindMerge } from "tailwind-merge";

/** The sizes and shadows that globals.css adds to Tailwind's own: without them `text-sm` and `text-ink` would be rivals. */
const merge = extendTailwindMerge({
  extend: { theme: { text: ["2xs", "xs", "sm", "base", "lg", "xl", "2xl"], shadow: ["float"] } },
});

/** Joins class names; a later Tailwind class replaces an earlier one of the same kind. */
export function cn(...classes: ClassValue[]): string {
  return merge(clsx(classes));
}
