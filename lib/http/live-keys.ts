/** Which cached answers an event makes old, as prefixes of query keys. */
import type { LiveEvent } from "#lib/domain/page.ts";

type Key = readonly unknown[];

export function keysOf(event: Exclude<LiveEvent, { type: "job-progress" }>): readonly Key[] {
  switch (event.type) {
    case "host":
      return [["hosts"], ["overview"], ["vms"]];
    case "inventory":
      return [...inventoryKeys(event.kinds), ["overview"]];
    case "image":
      return [["images"], ["overview"]];
    case "request":
      return [["requests"], ["overview"]];
    case "job":
      // A request shows the stages of its jobs.
      return [["jobs"], ["requests"], ["overview"]];
    case "library":
      return [["images"], ["library"], ["overview"]];
    case "settings":
      return [["settings"]];
    case "audit":
      return [["audit"]];
    case "gap":
      // The prefix of every key.
      return [[]];
  }
}

/** Pools and networks are read with their host. */
function inventoryKeys(kinds: readonly string[]): Key[] {
  return kinds.length === 0 || kinds.includes("vm") ? [["hosts"], ["vms"]] : [["hosts"]];
}
