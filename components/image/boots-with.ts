import type { GuestFacts } from "#lib/domain/guest.ts";

/** The firmware that the disk can boot with, in words. */
export function bootsWith(guest: GuestFacts): string {
  const ways = [guest.boots.bios ? "BIOS" : null, guest.boots.uefi ? "UEFI" : null].filter((way) => way !== null);
  return ways.length === 0 ? "no boot loader found" : ways.join(" and ");
}
