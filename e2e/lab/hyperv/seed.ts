/** What is on the simulated host from its beginning: a Windows Server with two drives, three switches, services. */
import { randomUUID } from "node:crypto";
import type { CimStore } from "./cim-store.ts";
import type { Jail } from "./jail.ts";
import { HOST, now } from "./machines.ts";

const GiB = 1024 ** 3;
export const DISKS = "D:\\Hyper-V\\Virtual Hard Disks";

export interface Seeded {
  readonly switches: { readonly external: string; readonly internal: string; readonly private: string };
}

/** Windows 11 instead of a server: new machines make checkpoints of their own. */
export function becomeClient(store: CimStore): void {
  const [system] = store.all("Win32_OperatingSystem");
  Object.assign(system?.values ?? {}, {
    Caption: "Microsoft Windows 11 Pro",
    Version: "10.0.22631",
    BuildNumber: "22631",
    ProductType: 1,
  });
}

export function seedHost(store: CimStore, jail: Jail): Seeded {
  jail.makeFolder(DISKS);
  jail.makeFolder("C:\\ProgramData");
  jail.makeFolder("C:\\Windows\\Temp");
  store.add("Win32_ComputerSystem", {
    Name: HOST,
    DNSHostName: HOST.toLowerCase(),
    Domain: "WORKGROUP",
    PartOfDomain: false,
    NumberOfLogicalProcessors: 16,
    NumberOfProcessors: 1,
    TotalPhysicalMemory: 64 * GiB,
    Manufacturer: "Lab",
    Model: "Simulated",
  });
  store.add("Win32_OperatingSystem", {
    Name: "Microsoft Windows Server 2022 Standard|C:\\Windows|\\Device\\Harddisk0\\Partition4",
    CSName: HOST,
    Caption: "Microsoft Windows Server 2022 Standard",
    Version: "10.0.20348",
    BuildNumber: "20348",
    Description: "",
    OSArchitecture: "64-bit",
    ProductType: 3,
    FreePhysicalMemory: (48 * GiB) / 1024,
    TotalVisibleMemorySize: (64 * GiB) / 1024,
    LocalDateTime: now(),
    LastBootUpTime: now(),
  });
  store.add("Win32_Processor", {
    DeviceID: "CPU0",
    Name: "Simulated CPU @ 2.50GHz",
    NumberOfCores: 8,
    NumberOfLogicalProcessors: 16,
    MaxClockSpeed: 2500,
  });
  for (const [letter, label, size, free] of [
    ["C", "System", 120 * GiB, 80 * GiB],
    ["D", "VMs", 500 * GiB, 400 * GiB],
  ] as const) {
    store.add("Win32_LogicalDisk", {
      DeviceID: `${letter}:`,
      DriveType: 3,
      FileSystem: letter === "D" ? "ReFS" : "NTFS",
      FreeSpace: free,
      Size: size,
      VolumeName: label,
    });
    const id = `\\\\?\\Volume{${randomUUID()}}\\`;
    store.add("MSFT_Volume", {
      ObjectId: `{1}\\\\${HOST}\\root/Microsoft/Windows/Storage/Providers_v2\\WSP_Volume.ObjectId="${id}"`,
      UniqueId: id,
      Path: id,
      DriveLetter: letter,
      FileSystem: letter === "D" ? "ReFS" : "NTFS",
      FileSystemLabel: label,
      DriveType: 3,
      Size: size,
      SizeRemaining: free,
    });
  }
  for (const name of [
    "Msvm_VirtualSystemManagementService",
    "Msvm_VirtualSystemSnapshotService",
    "Msvm_ImageManagementService",
  ] as const) {
    store.add(name, {
      CreationClassName: name,
      Name:
        name === "Msvm_ImageManagementService"
          ? "ims"
          : name === "Msvm_VirtualSystemSnapshotService"
            ? "vmms-snapshot"
            : "vmms",
      SystemCreationClassName: "Msvm_ComputerSystem",
      SystemName: HOST,
      ElementName: "Hyper-V Virtual System Management Service",
    });
  }
  store.add("Msvm_VirtualSystemManagementServiceSettingData", {
    InstanceID: `Microsoft:${HOST}`,
    DefaultExternalDataRoot: "D:\\Hyper-V",
    DefaultVirtualHardDiskPath: DISKS,
    MinimumMacAddress: "00155D010000",
    MaximumMacAddress: "00155D0100FF",
  });
  // The host itself is a computer system among the virtual ones.
  store.add("Msvm_ComputerSystem", {
    CreationClassName: "Msvm_ComputerSystem",
    Name: HOST,
    ElementName: HOST,
    Caption: "Hosting Computer System",
    Description: "Microsoft Hosting Computer System",
    EnabledState: 2,
    HealthState: 5,
    OperationalStatus: [2],
    InstallDate: now(),
    TimeOfLastStateChange: now(),
    TimeOfLastConfigurationChange: now(),
  });
  const made = (name: string, port: string | null): string => {
    const id = randomUUID().toUpperCase();
    store.add("Msvm_VirtualEthernetSwitch", {
      CreationClassName: "Msvm_VirtualEthernetSwitch",
      Name: id,
      ElementName: name,
      EnabledState: 2,
    });
    if (port !== null) {
      store.add("Msvm_EthernetPortAllocationSettingData", {
        InstanceID: `Microsoft:${id}\\${randomUUID().toUpperCase()}`,
        ElementName: name,
        ResourceType: 33,
        ResourceSubType: "Microsoft:Hyper-V:Ethernet Connection",
        HostResource: [port],
        EnabledState: 2,
      });
    }
    return id;
  };
  return {
    switches: {
      external: made(
        "LAN",
        `\\\\${HOST}\\root\\virtualization\\v2:Msvm_ExternalEthernetPort.CreationClassName="Msvm_ExternalEthernetPort",DeviceID="Microsoft:{NIC1}"`,
      ),
      internal: made(
        "Default Switch",
        `\\\\${HOST}\\root\\virtualization\\v2:Msvm_ComputerSystem.CreationClassName="Msvm_ComputerSystem",Name="${HOST}"`,
      ),
      private: made("Isolated", null),
    },
  };
}
