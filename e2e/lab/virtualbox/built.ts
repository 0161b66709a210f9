/** The chroot that holds the real VirtualBox: built once by whoever needs it first, kept in the lab's cache. */
import { join } from "node:path";
import { whyNotBuilt } from "../build-once.ts";
import { labCache } from "../cache.ts";

const folder = () => labCache("virtualbox");

/** Path of the chroot; only after `whyNoVirtualBox()` was null. */
export const virtualBoxRoot = (): string => join(folder(), "root");

/** Why there can be no VirtualBox here, or null. Builds it on the first call on a machine: up to 4 minutes. */
export function whyNoVirtualBox(): string | null {
  return whyNotBuilt({
    name: "VirtualBox",
    folder: folder(),
    product: "root",
    script: join(import.meta.dirname, "build.sh"),
    programs: ["debootstrap", "unshare", "nsenter", "flock"],
  });
}
