/** Languages for a lab's VirtualBox, which has none of its own; 7.2 brings Catalan for all that VBoxManage says. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { whyNotBuilt } from "../build-once.ts";
import { labCache } from "../cache.ts";
import { whyNoVirtualBox } from "./built.ts";
import type { VirtualBoxLab } from "./virtualbox.ts";

const folder = () => labCache("virtualbox-languages");
const THERE = "/usr/share/virtualbox/nls";

/** Why there can be none here, or null. Fetches them on the first call on a machine. */
export function whyNoLanguages(): string | null {
  return (
    whyNoVirtualBox() ??
    whyNotBuilt({
      name: "VirtualBox's languages",
      folder: folder(),
      product: "nls",
      script: join(import.meta.dirname, "languages.sh"),
      programs: ["chroot", "dpkg-deb", "flock"],
    })
  );
}

/** From now on the lab's VirtualBox can speak them, and speaks this one. */
export function speak(lab: Pick<VirtualBoxLab, "folder" | "inside" | "vboxManage">, language: string): void {
  const own = join(lab.folder, "nls");
  cpSync(join(folder(), "nls"), own, { recursive: true });
  // Other labs do not see it: its mounts are its own.
  lab.inside("mkdir", "-p", THERE);
  lab.inside("mount", "--bind", own, THERE);
  lab.vboxManage("setproperty", "language", language);
}
