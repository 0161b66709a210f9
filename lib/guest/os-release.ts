/** /etc/os-release, as systemd's os-release(5) describes it. */
import type { GuestFacts } from "#lib/domain/guest.ts";

/** They have the file as well. */
const NOT_LINUX: ReadonlySet<string> = new Set([
  "freebsd",
  "openbsd",
  "netbsd",
  "dragonfly",
  "ghostbsd",
  "midnightbsd",
  "illumos",
  "omnios",
  "openindiana",
  "smartos",
  "solaris",
  "haiku",
]);

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
  const system = id ?? "linux";
  return {
    id: system,
    name: name ?? id ?? "Linux",
    version: values.get("VERSION_ID") ?? null,
    family: NOT_LINUX.has(system) ? "other" : "linux",
  };
}
