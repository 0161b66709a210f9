import { expect, it } from "vitest";
import type { Vm } from "#lib/domain/inventory.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { type CimInstance, readInstance } from "#lib/wire/wsman/cim.ts";
import { CLASSES, type MachineFacts, type SettingClass } from "./machine-facts.ts";
import { mapVms, noteOf } from "./map-vm.ts";

const V2 = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2";
const ID = "6B5D0E4C-62B5-4E37-9C0B-0F2A6D9C7A11";
const TAG = "0b0c7f3e-2a63-4a8f-9f4e-6a3c2b1d0e9f";

/** As WinRM writes an instance: a prefix of its own, nil for null, dates in an element. */
function instance(
  className: string,
  properties: Readonly<Record<string, string | readonly string[] | null>>,
): CimInstance {
  const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const parts = Object.entries(properties).flatMap(([name, value]) =>
    value === null
      ? [`<p:${name} xsi:nil="true"/>`]
      : (typeof value === "string" ? [value] : value).map((each) =>
          /^\d{4}-\d\d-\d\dT/.test(each)
            ? `<p:${name}><cim:Datetime xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common">${each}</cim:Datetime></p:${name}>`
            : `<p:${name}>${escape(each)}</p:${name}>`,
        ),
  );
  return readInstance(
    parseXml(
      `<p:${className} xmlns:p="${V2}/${className}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="p:${className}_Type" xml:lang="en-US">${parts.join("")}</p:${className}>`,
    ),
  );
}

const path = (className: string, instanceId: string): string =>
  `\\\\HV1\\root\\virtualization\\v2:${className}.InstanceID="${instanceId.replaceAll("\\", "\\\\")}"`;
const own = (tail: string): string => `Microsoft:${ID}\\${tail}`;
const RASD = "Msvm_ResourceAllocationSettingData";
const item = (name: string, data: string): string =>
  `<INSTANCE CLASSNAME="Msvm_KvpExchangeDataItem"><PROPERTY NAME="Data" TYPE="string"><VALUE>${data}</VALUE></PROPERTY><PROPERTY NAME="Name" TYPE="string"><VALUE>${name}</VALUE></PROPERTY></INSTANCE>`;

async function facts(
  more: Partial<Record<SettingClass, readonly CimInstance[]>> = {},
  rest: Partial<MachineFacts> = {},
) {
  const settings = Object.fromEntries(CLASSES.map((name) => [name, [] as readonly CimInstance[]]));
  const vms: Vm[] = [];
  for await (const vm of mapVms({
    machines: [
      instance("Msvm_ComputerSystem", { Name: "HV1", ElementName: "HV1", EnabledState: "2" }),
      instance("Msvm_ComputerSystem", {
        Name: ID,
        ElementName: "web & <co>",
        EnabledState: "2",
        OnTimeInMilliseconds: "60000",
      }),
    ],
    settings: {
      ...settings,
      Msvm_VirtualSystemSettingData: [
        instance("Msvm_VirtualSystemSettingData", {
          InstanceID: `Microsoft:${ID}`,
          VirtualSystemIdentifier: ID,
          VirtualSystemType: "Microsoft:Hyper-V:System:Realized",
          VirtualSystemSubType: "Microsoft:Hyper-V:SubType:2",
          SecureBootEnabled: "true",
          Version: "9.0",
          Notes: noteOf(TAG, "made for web"),
          Parent: path("Msvm_VirtualSystemSettingData", "Microsoft:S1"),
        }),
        instance("Msvm_VirtualSystemSettingData", {
          InstanceID: "Microsoft:S1",
          VirtualSystemIdentifier: ID,
          VirtualSystemType: "Microsoft:Hyper-V:Snapshot:Realized",
          ElementName: "before",
          CreationTime: "2026-01-02T03:04:05Z",
          Parent: null,
        }),
      ],
      Msvm_MemorySettingData: [
        instance("Msvm_MemorySettingData", {
          InstanceID: own("4764"),
          VirtualQuantity: "2048",
          DynamicMemoryEnabled: "true",
        }),
        // Of the checkpoint.
        instance("Msvm_MemorySettingData", { InstanceID: "Microsoft:S1\\4764", VirtualQuantity: "512" }),
      ],
      Msvm_SecuritySettingData: [instance("Msvm_SecuritySettingData", { InstanceID: own("sec"), TpmEnabled: "true" })],
      ...more,
    } as MachineFacts["settings"],
    exchange: [
      instance("Msvm_KvpExchangeComponent", {
        SystemName: ID,
        GuestIntrinsicExchangeItems: [
          item("OSName", "Debian GNU/Linux"),
          item("OSVersion", "12"),
          item("NetworkAddressIPv4", "10.0.0.7"),
        ],
      }),
    ],
    heartbeats: [instance("Msvm_HeartbeatComponent", { SystemName: ID, OperationalStatus: ["2", "32896"] })],
    addresses: [],
    networks: new Map([["SW", "LAN"]]),
    sizes: new Map([["c:\\clusterstorage\\volume1\\a.vhdx", { capacity: 8 * 1024 ** 3, allocated: 4096 }]]),
    cluster: null,
    ...rest,
  }))
    vms.push(vm);
  return vms;
}

it("maps a machine with its checkpoint, and not the host that stands among the machines", async () => {
  const vms = await facts();
  expect(vms).toHaveLength(1);
  expect(vms[0]).toMatchObject({
    ref: ID,
    name: "web & <co>",
    state: "running",
    memory: 2 * 1024 ** 3,
    cpus: null,
    firmware: "uefi",
    secureBoot: true,
    tpm: true,
    tools: "heartbeat",
    guestOs: "Debian GNU/Linux 12",
    machine: "Generation 2, version 9.0, dynamic memory",
    location: null,
    tag: TAG,
    snapshots: [{ name: "before", createdAt: "2026-01-02T03:04:05Z", current: true, parentId: null }],
  });
});

it("maps disks by controller and place, and says which cannot be read", async () => {
  const resources = [
    instance(RASD, { InstanceID: own("C0\\0"), ResourceSubType: "Microsoft:Hyper-V:Synthetic SCSI Controller" }),
    ...[0, 1, 2].map((place) =>
      instance(RASD, {
        InstanceID: own(`C0\\0\\${place}\\D`),
        ResourceSubType: "Microsoft:Hyper-V:Synthetic Disk Drive",
        Parent: path(RASD, own("C0\\0")),
        AddressOnParent: String(place),
      }),
    ),
  ];
  const disk = (place: number, host: string) =>
    instance("Msvm_StorageAllocationSettingData", {
      InstanceID: own(`C0\\0\\${place}\\L`),
      ResourceSubType: "Microsoft:Hyper-V:Virtual Hard Disk",
      Parent: path(RASD, own(`C0\\0\\${place}\\D`)),
      HostResource: host,
    });
  const [vm] = await facts({
    Msvm_ResourceAllocationSettingData: resources,
    Msvm_StorageAllocationSettingData: [
      disk(1, "d:\\vms\\b_6F.avhdx"),
      disk(0, "C:\\ClusterStorage\\Volume1\\a.vhdx"),
      disk(2, "D:\\vms\\shared.vhds"),
    ],
  });
  expect(vm?.disks).toMatchObject([
    {
      id: "C0\\0\\0\\L",
      label: "SCSI 0:0",
      bus: "scsi",
      format: "vhdx",
      storageRef: "C:\\ClusterStorage\\Volume1",
      capacity: 8 * 1024 ** 3,
      allocated: 4096,
      captureBlocker: null,
    },
    { label: "SCSI 0:1", storageRef: "D:", capacity: null, allocated: null, captureBlocker: null },
    { label: "SCSI 0:2", format: null, captureBlocker: expect.stringContaining("shared.vhds") as string },
  ]);
});

it("maps network cards with their switch and what the guest tells of its addresses", async () => {
  const [vm] = await facts({
    Msvm_SyntheticEthernetPortSettingData: [
      instance("Msvm_SyntheticEthernetPortSettingData", { InstanceID: own("N1"), Address: "00155D0A0B0C" }),
    ],
    Msvm_EthernetPortAllocationSettingData: [
      instance("Msvm_EthernetPortAllocationSettingData", {
        InstanceID: own("N1\\C"),
        Parent: path("Msvm_SyntheticEthernetPortSettingData", own("N1")),
        EnabledState: "2",
        HostResource:
          '\\\\HV1\\root\\virtualization\\v2:Msvm_VirtualEthernetSwitch.CreationClassName="Msvm_VirtualEthernetSwitch",Name="SW"',
      }),
    ],
  });
  expect(vm?.nics).toMatchObject([
    {
      mac: "00:15:5d:0a:0b:0c",
      model: "netvsc",
      networkRef: "SW",
      networkName: "LAN",
      connected: true,
      addresses: ["10.0.0.7"],
    },
  ]);
});

it("says where a clustered machine lies", async () => {
  const cluster = { name: "hvc", roles: new Set(["web & <co>"]), node: "HV1" };
  expect((await facts({}, { cluster }))[0]?.location).toEqual({ folder: null, cluster: "hvc", node: "HV1" });
  expect((await facts({}, { cluster: { ...cluster, roles: new Set() } }))[0]?.location?.cluster).toBeNull();
});
