import type { GuestFacts } from "./guest.ts";

/** All that a person should know of a disk, each once: of the image that holds it, then of the guest on it. */
export function diskNotes(image: readonly string[], guest: Pick<GuestFacts, "notes"> | null): string[] {
  return [...new Set([...image, ...(guest?.notes ?? [])])];
}
