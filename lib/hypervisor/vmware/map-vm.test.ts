import { describe, expect, it } from "vitest";
import { inBootOrder } from "#lib/domain/vm-rules.ts";
import type { Element } from "#lib/wire/soap/element.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import type { Infrastructure } from "./infrastructure.ts";
import { annotationOf, mapVm } from "./map-vm.ts";
import { escapedName, shownName } from "./name.ts";

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const value = (content: string, attributes = ""): Element => parseXml(`<val ${XSI} ${attributes}>${content}</val>`);
const entity = (type: string, id: string, name: string, parent: string | null) =>
  [id, { ref: { type, id }, name, parent }] as const;

const infra: Infrastructure = {
  isVcenter: true,
  readOnly: false,
  datacenters: new Map(
    [entity("Datacenter", "dc1", "Berlin", "root"), entity("Datacenter", "dc2", "Paris", "root")].map(([id, each]) => [
      id,
      { ...each, vmFolder: null },
    ]),
  ),
  folders: new Map([
    entity("Folder", "vmroot", "vm", "dc1"),
    entity("Folder", "web", "Web/DMZ", "vmroot"),
    entity("Folder", "root", "Datacenters", null),
  ]),
  computes: new Map([
    [
      "c1",
      {
        ref: { type: "ClusterComputeResource", id: "c1" },
        name: "Cluster A",
        parent: null,
        hosts: ["h1"],
        rootPool: null,
        browser: null,
        isCluster: true,
        drs: true,
      },
    ],
  ]),
  hosts: new Map([
    [
      "h1",
      {
        ref: { type: "HostSystem", id: "h1" },
        name: "esx-07",
        parent: "c1",
        datastores: [],
        networks: [],
        usable: true,
        threads: 8,
        coresPerSocket: 4,
        cpuModel: null,
        memory: 1,
        memoryUsed: 0,
        version: null,
      },
    ],
  ]),
  pools: new Map(),
  datastores: new Map(),
  networks: new Map([
    [
      "dvpg-1",
      {
        ref: { type: "DistributedVirtualPortgroup", id: "dvpg-1" },
        name: "Prod",
        parent: null,
        accessible: true,
        distributed: null,
        isUplink: false,
      },
    ],
  ]),
};

const controller = (type: string, key: number, more = "") =>
  `<VirtualDevice xsi:type="${type}"><key>${key}</key><busNumber>0</busNumber>${more}</VirtualDevice>`;
const disk = (key: number, on: number, backing: string, type = "VirtualDiskFlatVer2BackingInfo") =>
  `<VirtualDevice xsi:type="VirtualDisk"><key>${key}</key><deviceInfo><label>Hard disk ${key}</label></deviceInfo><backing xsi:type="${type}"><fileName>[ds] a/${key}.vmdk</fileName><datastore type="Datastore">ds-1</datastore>${backing}</backing><controllerKey>${on}</controllerKey><unitNumber>0</unitNumber><capacityInKB>1024</capacityInKB></VirtualDevice>`;

function vm(devices: string, more: Record<string, Element> = {}) {
  const values = new Map<string, Element>(
    Object.entries({
      name: value("Web%2f1"),
      parent: value("web"),
      "runtime.host": value("h1"),
      "runtime.powerState": value("poweredOn"),
      "runtime.connectionState": value("connected"),
      "config.hardware.device": value(devices),
      "config.hardware.numCPU": value("4"),
      "config.hardware.memoryMB": value("2048"),
      "config.firmware": value("efi"),
      "config.bootOptions.efiSecureBootEnabled": value("true"),
      ...more,
    }),
  );
  return mapVm({ ref: { type: "VirtualMachine", id: "vm-1" }, values }, infra);
}

describe("a VM of vSphere", () => {
  it("is told with its place, firmware, TPM and network", () => {
    const nic = `<VirtualDevice xsi:type="VirtualVmxnet3"><key>4000</key><backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port><switchUuid>u</switchUuid><portgroupKey>dvpg-1</portgroupKey></port></backing><connectable><connected>true</connected></connectable><macAddress>00:50:56:00:00:01</macAddress></VirtualDevice>`;
    const told = vm(
      `${controller("VirtualTPM", 11000)}${nic}<VirtualDevice xsi:type="VirtualPCNet32"><key>4001</key></VirtualDevice>`,
      {
        "guest.net": value(
          "<GuestNicInfo><ipAddress>10.0.0.5</ipAddress><ipAddress>fe80::1</ipAddress><deviceConfigId>4000</deviceConfigId></GuestNicInfo>",
        ),
        "guest.toolsRunningStatus": value("guestToolsRunning"),
        "runtime.bootTime": value("2026-01-02T03:04:05Z"),
      },
    );
    expect(told).toMatchObject({
      name: "Web/1",
      state: "running",
      cpus: 4,
      memory: 2 * 1024 ** 3,
      firmware: "uefi",
      secureBoot: true,
      tpm: true,
      tools: "running",
      startedAt: "2026-01-02T03:04:05Z",
      location: { folder: "Berlin/Web/DMZ", cluster: "Cluster A", node: "esx-07" },
    });
    expect(told.nics).toMatchObject([
      {
        model: "vmxnet3",
        networkRef: "dvpg-1",
        networkName: "Prod",
        addresses: ["10.0.0.5", "fe80::1"],
        connected: true,
      },
      { model: null, modelRaw: "PCNet32" },
    ]);
  });

  it("says which disk it starts from, when it is told", () => {
    const devices = [controller("ParaVirtualSCSIController", 1000), disk(2000, 1000, ""), disk(2001, 1000, "")];
    const entry = (type: string, key: number) =>
      `<VirtualMachineBootOptionsBootableDevice xsi:type="VirtualMachineBootOptionsBootable${type}Device"><deviceKey>${key}</deviceKey></VirtualMachineBootOptionsBootableDevice>`;
    const order = value(`${entry("Ethernet", 4000)}${entry("Disk", 2001)}${entry("Disk", 2000)}`);
    const told = vm(devices.join(""), { "config.bootOptions.bootOrder": order });
    expect(inBootOrder(told.disks).map(({ id }) => id)).toEqual(["2001", "2000"]);
    expect(inBootOrder(vm(devices.join("")).disks).map(({ id }) => id)).toEqual(["2000", "2001"]);
  });

  it("says beforehand which disks cannot be captured, and why", () => {
    const devices = [
      controller("ParaVirtualSCSIController", 1000, "<sharedBus>noSharing</sharedBus>"),
      controller("VirtualLsiLogicSASController", 1001, "<sharedBus>physicalSharing</sharedBus>"),
      controller("VirtualNVMEController", 31000),
      disk(1, 1000, "<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>"),
      disk(2, 1000, "<diskMode>independent_persistent</diskMode><thinProvisioned>false</thinProvisioned>"),
      disk(
        3,
        1000,
        "<diskMode>persistent</diskMode><compatibilityMode>physicalMode</compatibilityMode>",
        "VirtualDiskRawDiskMappingVer1BackingInfo",
      ),
      disk(4, 1000, "<diskMode>persistent</diskMode><sharing>sharingMultiWriter</sharing>"),
      disk(5, 1001, "<diskMode>persistent</diskMode>"),
      disk(6, 31000, "<diskMode>persistent</diskMode><keyId><keyId>k</keyId></keyId>"),
    ].join("");
    const words = (told: ReturnType<typeof vm>) =>
      told.disks.map(
        (each) =>
          each.captureBlocker
            ?.split(/[ ,:;]/)
            .slice(0, 4)
            .join(" ") ?? null,
      );
    expect(words(vm(devices))).toEqual([
      null,
      "The disk is independent",
      "The disk is a",
      "The disk is shared",
      "The disk is shared",
      "The disk is encrypted",
    ]);
    expect(vm(devices).disks.map((each) => [each.bus, each.details, each.capacity])).toEqual([
      ["pvscsi", "thin", 1024 ** 2],
      ["pvscsi", "thick, independent persistent", 1024 ** 2],
      ["pvscsi", null, 1024 ** 2],
      ["pvscsi", null, 1024 ** 2],
      ["sas", null, 1024 ** 2],
      ["nvme", null, 1024 ** 2],
    ]);
    expect(vm(devices, { "runtime.powerState": value("poweredOff") }).disks[1]?.captureBlocker).toBeNull();
    expect(vm(devices, { "config.keyId": value("<keyId>k</keyId>") }).disks[0]?.captureBlocker).toContain("encrypted");
    expect(vm(devices, { "runtime.connectionState": value("inaccessible") }).disks[0]?.captureBlocker).toContain(
      "inaccessible",
    );
  });

  it("knows its own by notes and identity together, and shows the notes without the mark", () => {
    const tag = "0b9d7c1e-7c3f-4d6f-9a53-111111111111";
    const notes = { "config.annotation": value(annotationOf("Made for Ann", tag)) };
    expect(vm("", { ...notes, "config.instanceUuid": value(tag) })).toMatchObject({ tag, description: "Made for Ann" });
    // A clone of it.
    expect(vm("", { ...notes, "config.instanceUuid": value("other") })).toMatchObject({
      tag: null,
      description: "Made for Ann",
    });
  });

  it("marks templates and vCenter's own agents, which nobody starts or stops", () => {
    const blocked = (more: Record<string, Element>) => {
      const told = vm("", more);
      return [told.machine, told.powerBlocker?.replace(told.name, "it") ?? null];
    };
    const version = { "config.version": value("vmx-19") };
    const by = (extension: string) => ({
      "config.managedBy": value(`<extensionKey>${extension}</extensionKey><type>agent</type>`),
    });
    expect(blocked(version)).toEqual(["vmx-19", null]);
    expect(blocked({ ...version, "config.template": value("true") })).toEqual([
      "vmx-19 template",
      expect.stringContaining("it is a template") as string,
    ]);
    expect(blocked({ ...version, ...by("com.vmware.vim.eam") })).toEqual([
      "vmx-19, managed by com.vmware.vim.eam",
      expect.stringContaining("vCenter starts and stops itself") as string,
    ]);
    expect(blocked({ name: value("vCLS-8b7a1c4e-0000-4000-8000-000000000000") })[1]).not.toBeNull();
    // Others who manage machines leave their power to people.
    expect(blocked(by("com.example.backup"))).toEqual(["managed by com.example.backup", null]);
  });

  it("shows the question that it waits with", () => {
    const asked = `<id>1</id><text>msg.uuid.altered:This virtual machine might have been moved or copied.
msg.uuid.altered2:Which is it?</text><choice><choiceInfo xsi:type="ElementDescription"><label>button.cancel</label><summary>Cancel</summary><key>0</key></choiceInfo><choiceInfo xsi:type="ElementDescription"><label>I _Copied It</label><summary>I _Copied It</summary><key>2</key></choiceInfo><defaultIndex>1</defaultIndex></choice>`;
    expect(vm("", { "runtime.question": value(asked) }).question).toEqual({
      text: "This virtual machine might have been moved or copied.\nWhich is it?",
      choices: ["Cancel", "I Copied It"],
    });
    expect(vm("").question).toBeNull();
  });

  it("tells the tree of its snapshots", () => {
    const tree = `<currentSnapshot type="VirtualMachineSnapshot">s-2</currentSnapshot><rootSnapshotList><snapshot type="VirtualMachineSnapshot">s-1</snapshot><name>a%2fb</name><createTime>2026-01-01T00:00:00Z</createTime><state>poweredOn</state><childSnapshotList><snapshot type="VirtualMachineSnapshot">s-2</snapshot><name>c</name></childSnapshotList></rootSnapshotList>`;
    expect(vm("", { snapshot: value(tree) }).snapshots).toEqual([
      { id: "s-1", name: "a/b", parentId: null, createdAt: "2026-01-01T00:00:00Z", state: "poweredOn", current: false },
      { id: "s-2", name: "c", parentId: "s-1", createdAt: null, state: null, current: true },
    ]);
  });

  it("escapes names as vSphere does, and back", () => {
    for (const name of ["a/b\\c%d", "100% %2f", "plain"]) expect(shownName(escapedName(name))).toBe(name);
    expect(escapedName("a/b%")).toBe("a%2fb%25");
  });
});
