/** What a host's own word for a guest tells of it: `Debian GNU/Linux 12 (64-bit)`, `http://microsoft.com/win/2k19`, `Windows2019_64`. */
import type { GuestFacts } from "./guest.ts";

type Os = NonNullable<GuestFacts["os"]>;

/** Identifiers as os-release(5) has them; of several that match, the first counts. */
const KNOWN: readonly (readonly [RegExp, string, Os["family"]])[] = [
  [/windows|microsoft\.com|^win/i, "windows", "windows"],
  [/ubuntu/i, "ubuntu", "linux"],
  [/debian/i, "debian", "linux"],
  [/red ?hat|rhel/i, "rhel", "linux"],
  [/centos/i, "centos", "linux"],
  [/rocky/i, "rocky", "linux"],
  [/alma/i, "almalinux", "linux"],
  [/oracle/i, "ol", "linux"],
  [/fedora/i, "fedora", "linux"],
  [/opensuse/i, "opensuse", "linux"],
  [/suse|sles/i, "sles", "linux"],
  [/photon/i, "photon", "linux"],
  [/amazon ?linux|amzn/i, "amzn", "linux"],
  [/freebsd/i, "freebsd", "other"],
  [/linux/i, "linux", "linux"],
];

/** Characters that are looked at: a host may say anything. */
const MOST_WORDS = 200;

/** Null: not told, or nothing that we know. */
export function toldGuest(words: string | null): Os | null {
  const name = words?.slice(0, MOST_WORDS).trim() ?? "";
  const found = KNOWN.find(([pattern]) => pattern.test(name));
  if (found === undefined) return null;
  const [, id, family] = found;
  const version =
    family === "linux" ? (/(?<![\d.])\d{1,4}(?:\.\d+)?(?!\d*-?(?:bit|Guest))/.exec(name)?.[0] ?? null) : null;
  return { id, name, version, family };
}
