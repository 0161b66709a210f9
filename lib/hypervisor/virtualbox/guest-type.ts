/** VirtualBox's own name for a guest (`--ostype`), of those that its version knows. */
import type { VmSpec } from "../adapter.ts";

/** Identifiers of `list ostypes`, whose lines differ between versions. */
export function parseGuestTypes(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^ID(?: \/ Description)?:\s+(\S+)/gm)].flatMap(([, id]) => id ?? []));
}

const LINUX: Record<string, string> = {
  debian: "Debian",
  ubuntu: "Ubuntu",
  fedora: "Fedora",
  rhel: "RedHat",
  centos: "RedHat",
  rocky: "RedHat",
  almalinux: "RedHat",
  ol: "Oracle",
  opensuse: "OpenSUSE",
  "opensuse-leap": "OpenSUSE_Leap",
  "opensuse-tumbleweed": "OpenSUSE_Tumbleweed",
  sles: "SUSE_LE",
  arch: "ArchLinux",
  gentoo: "Gentoo",
};

/** Newest first; what the disk says is looked for in it. */
const WINDOWS: readonly (readonly [RegExp, string])[] = [
  [/server.*2025/, "Windows2025"],
  [/server.*2022/, "Windows2022"],
  [/server.*2019/, "Windows2019"],
  [/server.*2016/, "Windows2016"],
  [/server.*2012/, "Windows2012"],
  [/server.*2008/, "Windows2008"],
  [/\b11\b/, "Windows11"],
  [/\b10\b/, "Windows10"],
  [/\b8\.1\b/, "Windows81"],
  [/\b8\b/, "Windows8"],
  [/\b7\b/, "Windows7"],
];

/** Characters of what a disk says its system is. */
const MOST_WORDS = 200;

function candidates(guest: NonNullable<VmSpec["guest"]>): string[] {
  if (guest.family === "windows") {
    const said = `${guest.name.slice(0, MOST_WORDS)} ${guest.version?.slice(0, MOST_WORDS) ?? ""}`.toLowerCase();
    const found = WINDOWS.find(([pattern]) => pattern.test(said));
    return [...(found === undefined ? [] : [`${found[1]}_64`]), "Windows10_64", "WindowsNT_64"];
  }
  if (guest.family === "linux") {
    const family = LINUX[guest.id.toLowerCase()];
    const release = guest.version?.split(".")[0] ?? "";
    return [...(family === undefined ? [] : [`${family}${release}_64`, `${family}_64`]), "Linux26_64", "Linux_64"];
  }
  return [];
}

export function guestType(guest: VmSpec["guest"], known: ReadonlySet<string>): string {
  const found = guest === null ? undefined : candidates(guest).find((each) => known.has(each));
  return found ?? (known.has("Other_64") ? "Other_64" : "Other");
}
