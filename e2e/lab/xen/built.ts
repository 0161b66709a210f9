/** The disk of the Xen host: built once by whoever needs it first, kept in the lab's cache. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { whyNotBuilt } from "../build-once.ts";
import { labCache } from "../cache.ts";

const SCRIPT = join(import.meta.dirname, "build.sh");

/** One folder a version of the script: what an older one made is not taken for its. */
export const xenFolder = (): string =>
  labCache(`xen-4.17-${createHash("sha256").update(readFileSync(SCRIPT)).digest("hex").slice(0, 8)}`);

/** Why there can be no Xen host here, or null. Builds its disk on the first call on a machine: a minute or two. */
export function whyNoXenHost(): string | null {
  return whyNotBuilt({
    name: "Xen",
    folder: xenFolder(),
    product: "host",
    script: SCRIPT,
    programs: ["qemu-system-x86_64", "ssh", "unshare", "flock", "debootstrap", "mke2fs"],
  });
}
