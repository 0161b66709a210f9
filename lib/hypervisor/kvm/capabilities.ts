/** What this host's QEMU can do, from libvirt's capabilities as they are now: acceleration is found, not assumed. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskBus } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import type { LibvirtClient } from "../libvirt/client.ts";
import { LibvirtError } from "../libvirt/libvirt-error.ts";
import { all, at, parseXml, textAt, type Xml } from "../libvirt/xml.ts";

export interface KvmHost {
  readonly capabilities: HostCapabilities;
  /** libvirt's own: 9002000 is 9.2.0. */
  readonly version: number;
  readonly virtType: "kvm" | "qemu";
  /** Hyper-V enlightenments that QEMU offers there; null: this libvirt does not tell. */
  readonly hyperv: readonly string[] | null;
  readonly arch: string;
  readonly cpuModel: string | null;
}

type Asked = Pick<LibvirtClient, "name" | "capabilities" | "domainCapabilities" | "libVersion">;

const TiB = 1024 ** 4;
/** Guests of other architectures have other machines, firmware and buses. */
const ARCH = "x86_64";

function enumValues(node: Xml | undefined, name: string): string[] {
  const found = all(node, "enum").find((each) => textAt(each, "@name") === name);
  return all(found, "value").flatMap((value) => textAt(value) ?? []);
}

async function domainCapabilities(
  client: Asked,
  arch: string,
  machine: string,
  virtType: string,
  signal?: AbortSignal,
): Promise<Xml | null> {
  try {
    const text = await client.domainCapabilities({ arch, machine, virtType }, signal);
    return (await parseXml(text, "domainCapabilities", signal)) ?? null;
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}

export async function readKvmHost(client: Asked, signal?: AbortSignal): Promise<KvmHost> {
  const [version, text] = await Promise.all([client.libVersion(signal), client.capabilities(signal)]);
  const root = await parseXml(text, "capabilities", signal);
  const arch = textAt(root, "host", "cpu", "arch") ?? ARCH;
  if (arch !== ARCH) {
    throw new AppError(
      "unprocessable",
      "host.no-hypervisor",
      `${client.name} is a host for ${arch} guests. Supravisor makes and starts guests for x86-64 only.`,
      { hint: "Add a KVM host with an Intel or AMD processor." },
    );
  }
  const guest = all(root, "guest").find(
    (each) => textAt(each, "os_type") === "hvm" && textAt(each, "arch", "@name") === arch,
  );
  const types = all(at(guest, "arch"), "domain").flatMap((each) => textAt(each, "@type") ?? []);
  // Offered is not usable: libvirt answers for kvm only where QEMU could open it.
  const q35Kvm = types.includes("kvm") ? await domainCapabilities(client, arch, "q35", "kvm", signal) : null;
  const virtType = q35Kvm === null ? "qemu" : "kvm";
  const q35 = q35Kvm ?? (await domainCapabilities(client, arch, "q35", "qemu", signal));
  const pc = await domainCapabilities(client, arch, "pc", virtType, signal);
  if (q35 === null && pc === null) {
    throw new AppError(
      "unprocessable",
      "host.no-hypervisor",
      `${client.name} runs libvirt, but no QEMU for ${arch} guests is installed there.`,
      { hint: "Install qemu-system on the host." },
    );
  }
  const modern = enumValues(at(q35 ?? undefined, "devices", "disk"), "bus");
  const legacy = enumValues(at(pc ?? undefined, "devices", "disk"), "bus");
  const buses: DiskBus[] = [
    ...(modern.includes("virtio") ? (["virtio"] as const) : []),
    ...(modern.includes("scsi") ? (["virtio-scsi"] as const) : []),
    ...(modern.includes("sata") ? (["sata"] as const) : []),
    ...(legacy.includes("ide") ? (["ide"] as const) : []),
  ];
  const efi = enumValues(at(q35 ?? undefined, "os"), "firmware").includes("efi");
  const maxCpus = Number(textAt(q35 ?? pc ?? undefined, "vcpu", "@max")) || 64;
  const hyperv = at(q35 ?? undefined, "features", "hyperv");
  return {
    version,
    virtType,
    hyperv: hyperv === undefined ? null : enumValues(hyperv, "features"),
    arch,
    cpuModel: textAt(root, "host", "cpu", "model"),
    capabilities: {
      diskFormats: ["qcow2", "raw"],
      formatOptions: {},
      placements: [],
      buses,
      nics: ["virtio", "e1000e", "e1000", "rtl8139"],
      firmware: [
        { firmware: "bios", available: true, reason: null, bootBuses: buses, label: "SeaBIOS", secureBoot: false },
        {
          firmware: "uefi",
          available: efi,
          reason: efi ? null : "No UEFI firmware (OVMF) is installed on the host.",
          bootBuses: buses.filter((bus) => bus !== "ide"),
          label: "OVMF (UEFI)",
          // libvirt lists `yes` when some firmware there checks signatures and the machine can protect its keys (SMM).
          secureBoot: enumValues(at(q35 ?? undefined, "os", "loader"), "secure").includes("yes"),
        },
      ],
      limits: {
        maxCpus,
        maxMemory: 4 * TiB,
        minMemory: 16 * 1024 ** 2,
        maxDiskSize: {},
        maxDisks: 24,
        maxNics: 16,
        // libvirt names the domain's files after it: 255 bytes less their endings.
        nameMaxLength: 80,
        namePattern: "^[^/\\u0000-\\u001f]+$",
      },
      acceleration: virtType === "kvm" ? "kvm" : "emulated",
      canStartVms: true,
      whyNotStart: null,
      captureRunning: false,
      packages: [],
      canReadBack: true,
      sparseTransfer: true,
      hasConsoleLog: false,
      simulated: false,
    },
  };
}
