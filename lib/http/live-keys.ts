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
      return [["jobs"], ["overview"]];
    case "settings":
      return [["settings"]];
    case "audit":
      return [["audit"]];
  }
}

function inventoryKeys(kinds: readonly string[]): Key[] {
  const keys: Key[] = [["hosts"]];
  if (kinds.includes("vm")) keys.push(["vms"]);
  if (kinds.includes("pool")) keys.push(["pools"]);
  if (kinds.includes("network")) keys.push(["networks"]);
  if (kinds.length === 0) keys.push(["vms"], ["pools"], ["networks"]);
  return keys;
}
