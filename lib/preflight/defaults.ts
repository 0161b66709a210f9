/** First choices for an image on a host: what boots for sure, then what is fast. */
import type { GuestFacts } from "#lib/domain/guest.ts";
import { bootEntryWarning } from "#lib/domain/guest-warnings.ts";
import type { Firmware } from "#lib/domain/hardware.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import { safeName } from "#lib/domain/plain-name.ts";
import { AppError } from "#lib/errors.ts";
import type { PreflightHost, PreflightImage } from "./context.ts";
import { familyOf, riskyBus, riskyNic } from "./safe-devices.ts";

const GiB = 1024 ** 3;

/** `Debian 12 (golden)` → `debian-12-golden`. */
export function nameFrom(image: string, longest: number): string {
  const slug = image
    .normalize("NFKD")
    // The accents that were split off their letters.
    .replaceAll(/\p{M}+/gu, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, Math.min(longest, 60))
    .replace(/-+$/, "");
  return safeName(slug);
}

/** Null: either will do. Of two, the one that starts without a boot entry, which a new VM does not have. */
function firmwareOf(guest: GuestFacts): Firmware | null {
  const { bios, uefi } = guest.boots;
  if (bios && uefi) return bootEntryWarning(guest) === null ? null : "bios";
  return uefi ? "uefi" : bios ? "bios" : null;
}

/** Throws `host.unknown` when the host has not told what it can take. */
export function defaultChoice(image: PreflightImage, host: PreflightHost): TargetChoice {
  const { capabilities } = host;
  if (capabilities === null) {
    throw new AppError("unprocessable", "host.unknown", `${host.name} has not told yet what it can take.`, {
      hint: "Wait until it is online.",
    });
  }
  const guest = image.disks[0]?.guest;
  const family = familyOf(image);
  const available = capabilities.firmware.filter((offered) => offered.available);
  const wanted: Firmware | null = image.hints.firmware ?? (guest == null ? null : firmwareOf(guest));
  const firmware = available.find((offered) => offered.firmware === wanted) ?? available[0] ?? capabilities.firmware[0];
  const boots = firmware?.bootBuses ?? capabilities.buses;
  const bus =
    boots.find((candidate) => candidate === image.hints.bus && !riskyBus(family, candidate)) ??
    boots.find((candidate) => !riskyBus(family, candidate)) ??
    boots[0] ??
    capabilities.buses[0];
  const pool =
    host.pools
      .filter((candidate) => candidate.active && candidate.writable)
      .sort((a, b) => (b.free ?? 0) - (a.free ?? 0))[0] ?? host.pools[0];
  const network = host.networks.find((candidate) => candidate.active);
  const model = capabilities.nics.find((candidate) => !riskyNic(family, candidate)) ?? capabilities.nics[0];
  const format =
    capabilities.diskFormats.find((candidate) => pool?.diskFormats?.includes(candidate) !== false) ??
    capabilities.diskFormats[0];
  if (firmware === undefined || bus === undefined || format === undefined || pool === undefined) {
    throw new AppError("unprocessable", "host.no-storage", `${host.name} has no storage pool to put a disk into.`, {
      hint: "Make or activate a pool on the host.",
    });
  }
  const { limits } = capabilities;
  const called = image.source?.vmName ?? image.name;
  let name = nameFrom(called, limits.nameMaxLength);
  for (let number = 2; host.vmNames.includes(name); number += 1)
    name = `${nameFrom(called, limits.nameMaxLength - 4)}-${number}`;
  return {
    hostId: host.id,
    name,
    cpus: Math.min(image.hints.cpus ?? 2, limits.maxCpus, host.facts?.cpus ?? Infinity),
    memory: Math.min(image.hints.memory ?? 2 * GiB, limits.maxMemory),
    firmware: firmware.firmware,
    secureBoot: false,
    diskFormat: format,
    bus,
    poolRef: pool.ref,
    nic: network === undefined || model === undefined ? null : { networkRef: network.ref, model },
    placement: Object.fromEntries(capabilities.placements.map(({ id, defaultRef }) => [id, defaultRef])),
    start: capabilities.canStartVms,
  };
}
