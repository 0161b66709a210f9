/** What a person should know of a guest before it is moved, as its facts tell it. Notes and preflight say the same. */
import type { EfiLoader, GuestFacts } from "./guest.ts";

type Bootable = Pick<GuestFacts, "efiLoaders" | "sectorSize">;

/** Loaders that firmware of this architecture can start. One of unknown architecture counts as such; `arch` null: any. */
export function loadersFor(guest: Pick<GuestFacts, "efiLoaders">, arch: string | null): EfiLoader[] {
  return (guest.efiLoaders ?? []).filter((loader) => arch === null || loader.arch === null || loader.arch === arch);
}

/** Null: firmware finds a loader by itself, or there is none at all. */
export function bootEntryWarning(guest: Pick<GuestFacts, "efiLoaders">, arch: string | null = null): string | null {
  const loaders = loadersFor(guest, arch);
  const [first] = loaders;
  if (first === undefined || loaders.some(({ fallback }) => fallback)) return null;
  return (
    `UEFI finds its boot loader (${first.path}) by a boot entry only: a new VM has none and looks for ` +
    "EFI/BOOT/BOOTX64.EFI or its like, which is not there."
  );
}

/** Null: its sectors are the usual ones. */
export function sectorWarning({ sectorSize }: Pick<GuestFacts, "sectorSize">): string | null {
  return sectorSize === 512
    ? null
    : `The disk has ${sectorSize / 1024} KiB sectors: where it is shown with sectors of 512 bytes, its partitions are not found and it does not start.`;
}

export function guestWarnings(guest: Bootable): string[] {
  return [bootEntryWarning(guest), sectorWarning(guest)].filter((warning) => warning !== null);
}
