/** /etc/os-release, as systemd's os-release(5) describes it. */
import type { GuestFacts } from "#lib/domain/guest.ts";

export function parseOsRelease(text: string): GuestFacts["os"] {
  const values = new Map<string, string>();
  for (const line of text.slice(0, 65536).split("\n")) {
    const match = /^([A-Z_]+)=(.*)$/.exec(line.trim());
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const raw = match[2].trim();
    const quoted = /^"(.*)"$|^'(.*)'$/.exec(raw);
    values.set(match[1], (quoted?.[1] ?? quoted?.[2] ?? raw).replaceAll(/\\(["$`\\])/g, "$1").slice(0, 200));
  }
  const id = values.get("ID");
  const name = values.get("PRETTY_NAME") ?? values.get("NAME");
  if (id === undefined && name === undefined) return null;
  return { id: id ?? "linux", name: name ?? id ?? "Linux", version: values.get("VERSION_ID") ?? null, family: "linux" };
}
