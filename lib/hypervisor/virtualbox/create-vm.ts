/** A machine around disks that lie in the machine folder already. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import type { VmSpec } from "../adapter.ts";
import { ROOT_GROUP } from "./capabilities.ts";
import { guestType, parseGuestTypes } from "./guest-type.ts";
import { otherLanguage } from "./language.ts";
import { attachArguments } from "./networks.ts";
import { TAG_KEY } from "./settings-file.ts";
import { asAppError, VBoxError } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

const MiB = 1024 ** 2;
/** The disks have been sent by then: a busy host, or one that wakes its disks first, is given its time. */
const CHANGE_MS = 10 * 60_000;

interface Controller {
  readonly name: string;
  readonly add: string;
  readonly chip: string;
  /** Disks that one controller takes. */
  readonly places: number;
  /** Null: its ports are fixed. */
  readonly portCount: boolean;
  readonly devicesPerPort: number;
}

const CONTROLLERS: Partial<Record<DiskBus, Controller>> = {
  sata: { name: "SATA", add: "sata", chip: "IntelAhci", places: 30, portCount: true, devicesPerPort: 1 },
  ide: { name: "IDE", add: "ide", chip: "PIIX4", places: 4, portCount: false, devicesPerPort: 2 },
  scsi: { name: "SCSI", add: "scsi", chip: "LsiLogic", places: 16, portCount: false, devicesPerPort: 1 },
  sas: { name: "SAS", add: "sas", chip: "LSILogicSAS", places: 255, portCount: true, devicesPerPort: 1 },
  nvme: { name: "NVMe", add: "pcie", chip: "NVMe", places: 255, portCount: true, devicesPerPort: 1 },
  "virtio-scsi": {
    name: "VirtIO",
    add: "virtio",
    chip: "VirtIO",
    places: 256,
    portCount: true,
    devicesPerPort: 1,
  },
};

const NIC_TYPE: Partial<Record<NicModel, string>> = { e1000: "82540EM", virtio: "virtio" };

const refuse = (message: string, hint: string): AppError =>
  new AppError("unprocessable", "host.refused", message, { hint });

function hardware(spec: VmSpec): string[] {
  const windows = spec.guest?.family === "windows";
  return [
    ...["--memory", String(Math.ceil(spec.memory / MiB)), "--cpus", String(spec.cpus)],
    ...["--firmware", spec.firmware === "uefi" ? "efi" : "bios", "--ioapic", "on", "--acpi", "on"],
    ...["--rtcuseutc", windows ? "off" : "on", "--graphicscontroller", windows ? "vboxsvga" : "vmsvga", "--vram", "32"],
    ...["--boot1", "disk", "--boot2", "dvd", "--boot3", "none", "--boot4", "none"],
    ...["--description", spec.description],
    ...spec.nics.flatMap((nic, index) => {
      const slot = index + 1;
      const attach = attachArguments(slot, nic.networkRef);
      if (attach === null)
        throw refuse(`VirtualBox has no network “${nic.networkRef}”.`, "Choose another network for this VM.");
      const model = NIC_TYPE[nic.model];
      if (model === undefined)
        throw refuse(`VirtualBox has no network card ${nic.model}.`, "Choose another network card.");
      const mac = nic.mac === null ? [] : [`--macaddress${slot}`, nic.mac.replaceAll(":", "").toUpperCase()];
      return [...attach, `--nictype${slot}`, model, `--cableconnected${slot}`, "on", ...mac];
    }),
  ];
}

/** The commands that put each disk in its place, in boot order. */
function storage(spec: VmSpec, tag: string): string[][] {
  const commands: string[][] = [];
  for (const bus of new Set(spec.disks.map((disk) => disk.bus))) {
    const controller = CONTROLLERS[bus];
    const disks = spec.disks.filter((disk) => disk.bus === bus);
    if (controller === undefined)
      throw refuse(`VirtualBox has no disk controller for ${bus}.`, "Choose another bus for the disks.");
    if (disks.length > controller.places)
      throw refuse(`${controller.name} takes ${controller.places} disks; this VM has ${disks.length}.`, "Use SATA.");
    const ports = controller.portCount ? ["--portcount", String(disks.length)] : [];
    commands.push([
      ...["storagectl", tag, "--name", controller.name, "--add", controller.add],
      ...["--controller", controller.chip, ...ports, "--bootable", "on"],
    ]);
    disks.forEach((disk, index) => {
      const port = Math.floor(index / controller.devicesPerPort);
      commands.push([
        ...["storageattach", tag, "--storagectl", controller.name, "--port", String(port)],
        ...["--device", String(index % controller.devicesPerPort), "--type", "hdd", "--medium", disk.resource.ref],
      ]);
    });
  }
  return commands;
}

/** Keys of Microsoft, whose signatures Windows and the Linux distributions carry, and the switch. */
const SECURE_BOOT = [
  ["inituefivarstore"],
  ["enrollmssignatures"],
  ["enrollorclpk"],
  ["secureboot", "--enable"],
] as const;

/**
 * The tag is the machine's UUID from the first command on, and is written into it by the last: whatever happens in
 * between, it is found by the one and known to be unfinished by the other. Throws `vm.exists`.
 */
export async function makeMachine(vbox: VBoxManage, spec: VmSpec, tag: string, signal?: AbortSignal): Promise<void> {
  // Refused before anything is made.
  const settings = hardware(spec);
  const disks = storage(spec, tag);
  const known = parseGuestTypes(await vbox.ask(["list", "ostypes"], { signal }));
  if (known.size === 0) throw otherLanguage(vbox);
  const group = spec.placement["group"] ?? ROOT_GROUP;
  const step = async (args: readonly string[], harmlessTwice = true): Promise<void> => {
    try {
      await vbox.runWhenFree(args, { signal, vm: tag, harmlessTwice, timeoutMs: CHANGE_MS });
    } catch (error) {
      throw asAppError(error, `Making the VM ${spec.name} on ${vbox.machine.name}`);
    }
  };
  try {
    await vbox.run(
      [
        ...["createvm", "--name", spec.name, "--uuid", tag, "--ostype", guestType(spec.guest, known)],
        ...["--register", "--groups", group],
      ],
      { signal, vm: tag, timeoutMs: CHANGE_MS },
    );
  } catch (error) {
    if (error instanceof VBoxError && /already exists/i.test(error.said)) {
      throw new AppError(
        "conflict",
        "vm.exists",
        `There is a VM “${spec.name}” on ${vbox.machine.name} already, or the files of one that is named alike.`,
        { hint: "Choose another name.", cause: error, details: { said: error.said } },
      );
    }
    throw asAppError(error, `Making the VM ${spec.name} on ${vbox.machine.name}`);
  }
  await step(["modifyvm", tag, ...settings]);
  for (const command of disks) await step(command);
  if (spec.secureBoot) for (const command of SECURE_BOOT) await step(["modifynvram", tag, ...command], false);
  await step(["setextradata", tag, TAG_KEY, tag]);
}
