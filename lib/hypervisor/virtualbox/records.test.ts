import { expect, it } from "vitest";
import { chainOf, parseMedia } from "./media.ts";
import { parseFields, parseRecords, parseVmList, sizeOf } from "./records.ts";
import { vboxError } from "./vbox-error.ts";
import { withoutWarning } from "./wrapper-warning.ts";

it("lists VMs whatever their names are", async () => {
  const text = `"Web "1" {x}" {11111111-2222-4333-8444-555555555555}\r\n"<inaccessible>" {21111111-2222-4333-8444-555555555555}\n`;
  expect([...(await parseVmList(text))]).toEqual([
    ["11111111-2222-4333-8444-555555555555", `Web "1" {x}`],
    ["21111111-2222-4333-8444-555555555555", "<inaccessible>"],
  ]);
  expect((await parseVmList("")).size).toBe(0);
});

it("reads blocks and single fields", async () => {
  const records = await parseRecords(
    "Name:            eth0\nStatus:          Up\n\nName:            a: b\nIPV6Address:     \n",
    "Name",
  );
  expect(records.map((record) => record.get("Name"))).toEqual(["eth0", "a: b"]);
  expect((await parseFields("Host Information:\n\nMemory size: 24105 MByte\n")).get("Memory size")).toBe("24105 MByte");
  expect(sizeOf("24105 MByte")).toBe(24105 * 1024 ** 2);
  expect(sizeOf("unknown")).toBeNull();
});

const MEDIA = `UUID:           cfb1484d-961e-4cef-8aa7-97d5e19cbe5c
Parent UUID:    base
State:          created
Type:           normal (base)
Location:       /vms/d: one.vdi
Storage format: VDI
Capacity:       100 MBytes
Size on disk:   2 MBytes
Encryption:     disabled
In use by VMs:  x (UUID: 11111111-2222-4333-8444-555555555555) [snap (UUID: aeade995-757b-4fc7-97b0-4392767f2045)]

UUID:           1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921
Parent UUID:    cfb1484d-961e-4cef-8aa7-97d5e19cbe5c
State:          inaccessible
Access Error:   Could not open the medium
Type:           normal (differencing)
Location:       /vms/Snapshots/{1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921}.vdi
Storage format: VDI
Capacity:       100 MBytes
Encryption:     enabled
`;

it("follows a disk to what it is a difference of, and no further than it goes", async () => {
  const media = await parseMedia(MEDIA);
  const chain = chainOf(media, "1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921");
  expect(chain?.map((medium) => medium.location)).toEqual([
    "/vms/Snapshots/{1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921}.vdi",
    "/vms/d: one.vdi",
  ]);
  expect(chain?.[0]).toMatchObject({ accessible: false, encrypted: true, accessError: "Could not open the medium" });
  expect(chain?.[1]).toMatchObject({
    capacity: 100 * 1024 ** 2,
    allocated: 2 * 1024 ** 2,
    format: "vdi",
    special: null,
  });
  expect(chainOf(media, "none")).toBeNull();
  const loop = await parseMedia(
    MEDIA.replace("Parent UUID:    base", "Parent UUID:    1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921"),
  );
  expect(chainOf(loop, "1e3c7ae7-8b47-4ee3-bfc9-b52425a4c921")).toBeNull();
});

it("drops the warning of Debian's wrapper, and nothing else", async () => {
  const warning =
    "WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install the virtualbox-dkms package and the appropriate\n" +
    "\t headers, most likely linux-headers-v657.\n\n\t You will not be able to start VMs until this problem is fixed.\n";
  expect(withoutWarning(`${warning}"x" {1}\n`)).toBe('"x" {1}\n');
  expect(withoutWarning(warning)).toBe("");
  expect(withoutWarning("WARNING: The sky\nx")).toBe("WARNING: The sky\nx");
});

it("tells VirtualBox's own words, without progress and places in its source", async () => {
  const stderr =
    "0%...10%...VBOX_E_FILE_ERROR\nVBoxManage: error: Failed to clone medium\nVBoxManage: error: Could not create '/x' (VERR_DISK_FULL)\n" +
    'VBoxManage: error: Details: code VBOX_E_FILE_ERROR (0x80bb0004), component MediumWrap, interface IMedium\nVBoxManage: error: Context: "x" at line 1\n';
  expect(vboxError(stderr, "", 1)).toMatchObject({
    said: "Failed to clone medium Could not create '/x' (VERR_DISK_FULL)",
    result: "VBOX_E_FILE_ERROR",
  });
  expect(vboxError("", "", null).said).toMatch(/signal/);
});
