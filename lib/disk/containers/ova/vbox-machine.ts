/** VirtualBox's own description, which it reads instead of the standard's: the only place where it learns of UEFI. */
import type { PackedMachine } from "../package.ts";
import { escapeXml } from "../xml.ts";
import { controllerOf } from "./controllers.ts";

const MIB = 1_048_576;
const OS_TYPE = { linux: "Linux_64", windows: "Windows2016_64", other: "Other_64" } as const;
const CONTROLLER = {
  sata: ["SATA", "AHCI", 30],
  ide: ["IDE", "PIIX4", 2],
  scsi: ["SCSI", "LsiLogic", 16],
  sas: ["SAS", "LsiLogicSas", 8],
} as const;

/** `images`: `vbox:uuid` of each disk; VirtualBox gives the machine a new one when that is taken. Settings version 1.15 is VirtualBox 5.0's, and read by all since. */
export function vboxMachine(machine: PackedMachine, uuid: string, images: readonly string[]): string {
  const controller = controllerOf(machine.bus, "virtualbox");
  const bus = machine.bus === "ide" || machine.bus === "scsi" || machine.bus === "sas" ? machine.bus : "sata";
  const [name, type, ports] = CONTROLLER[bus];
  const devices = images.map((image, i) => {
    const place = controller.places[i % controller.places.length] ?? 0;
    const at = bus === "ide" ? `port="${Math.floor(i / 2)}" device="${i % 2}"` : `port="${place}" device="0"`;
    return `            <AttachedDevice type="HardDisk" ${at}>
              <Image uuid="{${image}}"/>
            </AttachedDevice>`;
  });
  const card =
    machine.nic === null
      ? ""
      : `
          <Adapter slot="0" enabled="true" type="82540EM">
            <NAT/>
          </Adapter>
        `;
  return `    <vbox:Machine ovf:required="false" version="1.15-linux" uuid="{${uuid}}" name="${escapeXml(machine.name)}" OSType="${OS_TYPE[machine.guest]}">
      <ovf:Info>The machine in VirtualBox's own words</ovf:Info>
      <Hardware>
        <CPU count="${machine.cpus}">
          <PAE enabled="true"/>
          <LongMode enabled="true"/>
        </CPU>
        <Memory RAMSize="${Math.ceil(machine.memory / MIB)}"/>
        <Paravirt provider="Default"/>
        <Firmware type="EFI"/>
        <BIOS>
          <IOAPIC enabled="true"/>
        </BIOS>
        <Network>${card}</Network>
        <StorageControllers>
          <StorageController name="${name}" type="${type}" PortCount="${ports}" useHostIOCache="${bus === "ide"}" Bootable="true">
${devices.join("\n")}
          </StorageController>
        </StorageControllers>
      </Hardware>
    </vbox:Machine>
`;
}
