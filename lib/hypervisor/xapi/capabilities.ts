/** What the pool can take, as its default template and its members say it now. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskBus } from "#lib/domain/hardware.ts";
import { MOST_VHD, mostOf } from "./image-format.ts";
import { liveHosts } from "./map-pool.ts";
import type { Mirror } from "./mirror.ts";
import type { RecordOf } from "./records.ts";

const TiB = 1024 ** 4;
/** What XenServer allows where no template says it. */
const USUAL = { maxCpus: 32, maxMemory: 1.5 * TiB, maxDisks: 255, maxNics: 7 };
/** Placement that leaves the member to the pool. */
export const ANY_MEMBER = "any";

/** `<restriction field="vcpus-max" max="64"/>` in a template's recommendations. */
export function restriction(recommendations: string, name: string): number | null {
  for (const [element] of recommendations.matchAll(/<restriction\b[^<>]*>/g)) {
    const attribute = (key: string): string | undefined => new RegExp(`\\b${key}="([^"]*)"`).exec(element)?.[1];
    if ((attribute("field") ?? attribute("property")) !== name) continue;
    const value = Number(attribute("max"));
    if (Number.isSafeInteger(value) && value > 0) return value;
  }
  return null;
}

/** UEFI guests came with XenServer 8.0 and XCP-ng 8.0, Secure Boot with 8.1 and later. */
function versionAtLeast(host: RecordOf<"host"> | undefined, major: number, minor: number): boolean {
  const [a = 0, b = 0] = (host?.software_version["product_version"] ?? "0").split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

export function readCapabilities(mirror: Mirror): HostCapabilities {
  const live = liveHosts(mirror).map(([, host]) => host);
  const enabled = live.filter((host) => host.enabled);
  const hvm = live.some((host) => host.capabilities.some((each) => each.startsWith("hvm-")));
  const template = mirror.entries("VM").find(([, vm]) => vm.is_a_template && vm.name_label === "Other install media");
  const told = (name: string): number | null => restriction(template?.[1].recommendations ?? "", name);
  const [first] = live;
  const uefi = hvm && versionAtLeast(first, 8, 0);
  const drivers = mirror.entries("SM").map(([, driver]) => driver);
  const repositories = mirror.entries("SR").filter(([, sr]) => sr.allowed_operations.includes("vdi_create"));
  // The largest that some repository takes; the one that is chosen is asked again before anything is made.
  const mostDisk = Math.max(
    MOST_VHD,
    ...repositories.map(([, sr]) => mostOf(drivers.find((driver) => driver.type === sr.type))),
  );
  const buses: DiskBus[] = ["xen", "ide"];
  const whyNot = !hvm
    ? "The pool's processors cannot run hardware-virtualised guests."
    : enabled.length === 0
      ? "Every member of the pool is disabled or in maintenance."
      : null;
  return {
    // Raw goes as sparse records: holes stay holes, whatever the repository keeps inside.
    diskFormats: ["raw", "vhd"],
    formatOptions: {},
    placements:
      live.length < 2
        ? []
        : [
            {
              id: "host",
              label: "Home server",
              options: [
                { ref: ANY_MEMBER, label: "Any member of the pool" },
                ...live.map((host) => ({ ref: host.uuid, label: host.name_label })),
              ],
              defaultRef: ANY_MEMBER,
            },
          ],
    buses,
    nics: ["netfront", "rtl8139", "e1000"],
    firmware: [
      {
        firmware: "bios",
        available: hvm,
        reason: hvm ? null : "The pool's processors cannot run hardware-virtualised guests.",
        bootBuses: buses,
        label: "HVM, BIOS",
        secureBoot: false,
      },
      {
        firmware: "uefi",
        available: uefi,
        reason: uefi ? null : "UEFI guests need XenServer 8.0 or XCP-ng 8.0.",
        bootBuses: buses,
        label: "HVM, UEFI",
        secureBoot: uefi && versionAtLeast(first, 8, 1),
      },
    ],
    limits: {
      maxCpus: told("vcpus-max") ?? USUAL.maxCpus,
      maxMemory: told("memory-static-max") ?? USUAL.maxMemory,
      minMemory: 16 * 1024 ** 2,
      maxDiskSize: { raw: mostDisk, vhd: MOST_VHD },
      // One place is the CD drive's.
      maxDisks: (told("number-of-vbds") ?? USUAL.maxDisks) - 1,
      maxNics: told("number-of-vifs") ?? USUAL.maxNics,
      nameMaxLength: 255,
      namePattern: "^[^\\u0000-\\u001f]+$",
    },
    acceleration: "xen",
    canStartVms: whyNot === null,
    whyNotStart: whyNot,
    captureRunning: true,
    packages: ["xva"],
    canReadBack: true,
    sparseTransfer: true,
    hasConsoleLog: false,
    simulated: false,
  };
}
