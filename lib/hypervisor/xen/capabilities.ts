/** What a Xen host (libxl) can do, from libvirt's capabilities: which kinds of guest its processors and firmware allow. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskBus } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import type { LibvirtClient } from "../libvirt/client.ts";
import { LibvirtError } from "../libvirt/libvirt-error.ts";
import type { LibvirtHost } from "../libvirt/product.ts";
import { all, at, parseXml, textAt, type Xml } from "../libvirt/xml.ts";

export interface XenHost extends LibvirtHost {
  /** Full virtualisation; else guests are paravirtual and start by pygrub. */
  readonly hvm: boolean;
  /** Path of OVMF on the host; null: no UEFI guests. */
  readonly ovmf: string | null;
}

const GiB = 1024 ** 3;
const TiB = 1024 ** 4;
/** libxl's own limit of a guest's virtual processors. */
const MOST_CPUS = 128;

/** Firmware images that libxl offers for full virtualisation; none when it cannot say. */
async function loaders(client: LibvirtClient, arch: string, signal?: AbortSignal): Promise<readonly string[]> {
  try {
    const text = await client.domainCapabilities({ arch, machine: "xenfv", virtType: "xen" }, signal);
    const loader = at(await parseXml(text, "domainCapabilities", signal), "os", "loader");
    return all(loader, "value").flatMap((value) => textAt(value) ?? []);
  } catch (error) {
    if (error instanceof LibvirtError) return [];
    throw error;
  }
}

function kinds(root: Xml | undefined, arch: string): Set<string> {
  const guests = all(root, "guest").filter((guest) => textAt(guest, "arch", "@name") === arch);
  return new Set(guests.flatMap((guest) => textAt(guest, "os_type") ?? []));
}

export async function readXenHost(client: LibvirtClient, signal?: AbortSignal): Promise<XenHost> {
  const root = await parseXml(await client.capabilities(signal), "capabilities", signal);
  const arch = textAt(root, "host", "cpu", "arch") ?? "x86_64";
  const offered = kinds(root, arch);
  if (offered.size === 0) {
    throw new AppError(
      "unprocessable",
      "host.no-hypervisor",
      `${client.name} runs libvirt, but offers no Xen guests.`,
      {
        hint: "Was the host started with the Xen hypervisor?",
      },
    );
  }
  const hvm = offered.has("hvm");
  const ovmf = hvm ? ((await loaders(client, arch, signal)).find((path) => /ovmf/i.test(path)) ?? null) : null;
  return { hvm, ovmf, arch, cpuModel: textAt(root, "host", "cpu", "model"), capabilities: describe(hvm, ovmf) };
}

function describe(hvm: boolean, ovmf: string | null): HostCapabilities {
  const buses: DiskBus[] = hvm ? ["xen", "ide"] : ["xen"];
  return {
    diskFormats: ["raw", "qcow2"],
    formatOptions: {},
    placements: [],
    buses,
    nics: hvm ? ["netfront", "rtl8139", "e1000"] : ["netfront"],
    firmware: [
      {
        firmware: "bios",
        available: true,
        reason: null,
        bootBuses: buses,
        // Without it GRUB's menu is read from the disk, and its kernel is started in place of a boot sector.
        label: hvm ? "HVM, SeaBIOS" : "PV, pygrub",
        secureBoot: false,
      },
      {
        firmware: "uefi",
        available: ovmf !== null,
        reason:
          ovmf !== null
            ? null
            : hvm
              ? "No UEFI firmware (OVMF) for Xen is installed on the host."
              : "The host's processors cannot run hardware-virtualised guests, so there is no UEFI.",
        bootBuses: buses,
        label: "HVM, OVMF (UEFI)",
        secureBoot: false,
      },
    ],
    limits: {
      maxCpus: MOST_CPUS,
      maxMemory: 1 * TiB,
      minMemory: 16 * 1024 ** 2,
      maxDiskSize: { raw: 16 * TiB - GiB },
      maxDisks: 26,
      maxNics: 8,
      // The domain's configuration file is named after it: 255 bytes less its ending.
      nameMaxLength: 80,
      namePattern: "^[^/\\u0000-\\u001f]+$",
    },
    acceleration: "xen",
    canStartVms: true,
    whyNotStart: null,
    captureRunning: false,
    packages: [],
    canReadBack: true,
    sparseTransfer: true,
    hasConsoleLog: false,
    simulated: false,
  };
}
