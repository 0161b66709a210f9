/** The guest system's name in vSphere's list, from what its disk says. */
import type { VmSpec } from "../adapter.ts";

const LINUX = [
  "other6xLinux64Guest",
  "other5xLinux64Guest",
  "other4xLinux64Guest",
  "other3xLinux64Guest",
  "otherLinux64Guest",
];

/** From the wanted version down: an older host has no name for a newer system, but one for its predecessor. */
function down(prefix: string, version: number, oldest: number): string[] {
  const ids: string[] = [];
  for (let number = version; number >= oldest; number -= 1) ids.push(`${prefix}${number}_64Guest`);
  return ids;
}

function candidates(guest: VmSpec["guest"]): readonly string[] {
  if (guest === null) return ["otherGuest64"];
  const major = Number.parseInt(guest.version ?? "", 10);
  const version = Number.isInteger(major) && major > 0 && major < 100 ? major : 0;
  switch (guest.id) {
    case "debian":
      return [...down("debian", version, 6), ...LINUX];
    case "ubuntu":
      return ["ubuntu64Guest", ...LINUX];
    case "rhel":
      return [...down("rhel", version, 5), ...LINUX];
    case "centos":
      return [...down("centos", version, 7), "centos64Guest", ...LINUX];
    case "rocky":
      return ["rockylinux_64Guest", ...down("rhel", version, 8), ...LINUX];
    case "almalinux":
      return ["almalinux_64Guest", ...down("rhel", version, 8), ...LINUX];
    case "ol":
      return [...down("oracleLinux", version, 7), "oracleLinux64Guest", ...LINUX];
    case "fedora":
      return ["fedora64Guest", ...LINUX];
    case "sles":
      return [...down("sles", version, 10), ...LINUX];
    case "amzn":
      return [version >= 2023 ? "amazonlinux3_64Guest" : "amazonlinux2_64Guest", ...LINUX];
    case "photon":
      return ["vmwarePhoton64Guest", ...LINUX];
    default:
      if (guest.id.startsWith("opensuse")) return ["opensuse64Guest", ...LINUX];
      if (guest.id.startsWith("freebsd")) return ["freebsd64Guest", "otherGuest64"];
      if (guest.family === "windows") return ["windows9_64Guest", "windows8_64Guest", "otherGuest64"];
      return guest.family === "linux" ? LINUX : ["otherGuest64"];
  }
}

/** `known` empty: the host does not tell, and the name that every version knows is taken. */
export function guestIdOf(guest: VmSpec["guest"], known: ReadonlySet<string>): string {
  const wanted = candidates(guest);
  return wanted.find((id) => known.has(id)) ?? wanted.at(-1) ?? "otherGuest64";
}
