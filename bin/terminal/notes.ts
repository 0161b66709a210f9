/** What a person should know of what is converted: the same that `inspect` and the image's page say. */
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { ImageFacts } from "#lib/disk/format.ts";
import { diskNotes } from "#lib/domain/disk-notes.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { printJson, printLine } from "./output.ts";

/** `disk`: null where it passes by only once. What cannot be read is the conversion's to tell. */
export async function notesOf(facts: ImageFacts, disk: BlockSource | null, signal: AbortSignal): Promise<string[]> {
  const guest = disk === null ? null : await inspectGuest(disk, { image: facts, signal }).catch(() => null);
  signal.throwIfAborted();
  return diskNotes(facts.notes, guest);
}

/** On stderr, where progress is. */
export function note(text: string, json: boolean): void {
  if (json) printJson({ note: text }, process.stderr);
  else printLine(`note: ${text}`, process.stderr);
}
