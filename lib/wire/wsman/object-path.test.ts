import { expect, it } from "vitest";
import { objectPath, readObjectPath } from "./object-path.ts";

const disk = {
  namespace: "root/virtualization/v2",
  className: "Msvm_ResourceAllocationSettingData",
  keys: { InstanceID: 'Microsoft:8F1C\\83F8638B\\0\\0\\D "x"' },
};

it("writes a path as Hyper-V does, backslashes and quotes doubled and escaped", () => {
  expect(objectPath("HV1", disk)).toBe(
    '\\\\HV1\\root\\virtualization\\v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:8F1C\\\\83F8638B\\\\0\\\\0\\\\D \\"x\\""',
  );
});

it("reads what it writes, several keys, and keys without quotes", () => {
  expect(readObjectPath(objectPath("HV1", disk))).toEqual(disk);
  expect(
    readObjectPath('\\\\HV1\\root\\virtualization\\v2:Msvm_VirtualEthernetSwitch.CreationClassName="A",Name="B,C"'),
  ).toMatchObject({ className: "Msvm_VirtualEthernetSwitch", keys: { CreationClassName: "A", Name: "B,C" } });
  expect(readObjectPath("Win32_X.Index=7")).toEqual({ namespace: "", className: "Win32_X", keys: { Index: "7" } });
});

it.each(["", "C:\\disks\\a.vhdx", "\\\\HV1\\root\\cimv2:Win32_X", 'Win32_X.Name="open', "Win32_X.=1"])(
  "takes %j for no path of an instance",
  (path) => expect(readObjectPath(path)).toBeNull(),
);
