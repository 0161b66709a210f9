/** Packages of machines as other programs write them, for tests: GNU tar packs, the descriptors follow theirs. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { Scratch } from "./scratch.ts";

const RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";

export interface OvfDiskText {
  readonly file: string;
  readonly attributes: string;
}

/** As vSphere exports it. The hardware lists the disks last to first. */
export function vsphereOvf(scratch: Scratch, disks: readonly OvfDiskText[], more = ""): string {
  const files = disks.map(
    ({ file }, i) => `<File ovf:href="${file}" ovf:id="file${i + 1}" ovf:size="${statSync(scratch.path(file)).size}"/>`,
  );
  const sections = disks.map(
    ({ attributes }, i) => `<Disk ovf:diskId="vmdisk${i + 1}" ovf:fileRef="file${i + 1}" ${attributes}/>`,
  );
  const item = (type: number, id: number, rest: string) =>
    `<Item><rasd:ElementName>item ${id}</rasd:ElementName><rasd:InstanceID>${id}</rasd:InstanceID>${rest}<rasd:ResourceType>${type}</rasd:ResourceType></Item>`;
  const drives = disks.map((_, i) =>
    item(
      17,
      20 + i,
      `<rasd:HostResource>ovf:/disk/vmdisk${disks.length - i}</rasd:HostResource><rasd:Parent>3</rasd:Parent>`,
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- made for a test -->
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="${RASD}" xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References>${files.join("")}</References>
<DiskSection><Info>Disks</Info>${sections.join("")}</DiskSection>
<VirtualSystem ovf:id="web01"><Info>A machine</Info><Name>web &amp; db &#x31;</Name>
<VirtualHardwareSection><Info>Hardware</Info>
<System><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
${item(3, 1, "<rasd:VirtualQuantity>4</rasd:VirtualQuantity>")}
${item(4, 2, "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>2048</rasd:VirtualQuantity>")}
${item(6, 3, "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>")}
${item(10, 4, "<rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>")}
${drives.join("")}
<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
</VirtualHardwareSection></VirtualSystem>${more}</Envelope>`;
}

/** Writes `NAME.mf` over the given files. */
export function writeManifest(scratch: Scratch, name: string, algorithm: string, files: readonly string[]): void {
  const line = (file: string) =>
    `${algorithm.toUpperCase()}(${file})= ${createHash(algorithm)
      .update(readFileSync(scratch.path(file)))
      .digest("hex")}\n`;
  writeFileSync(scratch.path(name), files.map(line).join(""));
}

export function tar(scratch: Scratch, archive: string, files: readonly string[], format = "ustar"): string {
  execFileSync("tar", [`--format=${format}`, "-cf", archive, ...files], { cwd: scratch.folder });
  return scratch.path(archive);
}

/** `ova.xml` with one machine of these disks, the fields that matter and one that does not. */
export function xapiRecords(disks: readonly { ref: string; name: string; size: number }[]): string {
  const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`;
  const struct = (fields: Readonly<Record<string, string>>) =>
    `<struct>${Object.entries(fields)
      .map(([name, value]) => member(name, value))
      .join("")}</struct>`;
  const object = (kind: string, id: string, fields: Readonly<Record<string, string>>) =>
    `<value>${struct({ class: kind, id, snapshot: struct(fields) })}</value>`;
  const objects = [
    object("VM", "Ref:0", {
      name_label: "mail",
      is_a_snapshot: "<boolean>0</boolean>",
      VCPUs_max: "2",
      memory_static_max: "1073741824",
      HVM_boot_params: struct({ firmware: "uefi", order: "cdn" }),
      tags: "<array><data/></array>",
    }),
    ...disks.flatMap(({ ref, name, size }, i) => [
      object("VDI", ref, { name_label: name, virtual_size: String(size) }),
      object("VBD", `Ref:${100 + i}`, { VM: "Ref:0", VDI: ref, type: "Disk", userdevice: String(i) }),
    ]),
    object("VBD", "Ref:200", { VM: "Ref:0", VDI: "OpaqueRef:NULL", type: "CD", userdevice: "9" }),
    object("VIF", "Ref:201", { VM: "Ref:0", device: "0" }),
  ];
  return `<value>${struct({
    version: struct({ product_brand: "XCP-ng", product_version: "8.3.0", export_vsn: "2" }),
    objects: `<array><data>${objects.join("")}</data></array>`,
  })}</value>`;
}
