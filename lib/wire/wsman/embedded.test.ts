import { expect, it } from "vitest";
import { embeddedInstance, readEmbedded } from "./embedded.ts";

it("reads what it writes, whatever the texts are", () => {
  const text = embeddedInstance("Msvm_VirtualSystemSettingData", {
    ElementName: ["string", `a <b> & "c" 'd' ]]> Ω`],
    Notes: ["string", ["one", "", "two\nlines"]],
    SecureBootEnabled: ["boolean", false],
    VirtualQuantity: ["uint64", 2 ** 50],
    Parent: null,
  });
  const read = readEmbedded(text);
  expect(read?.className).toBe("Msvm_VirtualSystemSettingData");
  expect(Object.fromEntries(read?.values ?? [])).toEqual({
    ElementName: [`a <b> & "c" 'd' ]]> Ω`],
    Notes: ["one", "", "two\nlines"],
    SecureBootEnabled: ["false"],
    VirtualQuantity: [String(2 ** 50)],
  });
});

it("writes no named references, which Hyper-V refuses, and keeps lines apart", () => {
  const text = embeddedInstance("Msvm_X", {
    Parent: ["string", 'root:A.InstanceID="Microsoft:1\\\\2"'],
    Notes: ["string", ["R&D <lab>\nline 2"]],
  });
  expect(text).not.toMatch(/&[a-z]/);
  expect(text).toContain("R&#38;D &#60;lab&#62;&#10;line 2");
});

it("reads an instance as WMI tells it, properties without a value left out", () => {
  const read = readEmbedded(
    '<INSTANCE CLASSNAME="Msvm_KvpExchangeDataItem"><PROPERTY NAME="Caption" PROPAGATED="true" TYPE="string"></PROPERTY>' +
      '<PROPERTY NAME="Data" TYPE="string"><VALUE>Windows Server 2022</VALUE></PROPERTY><PROPERTY NAME="Name" TYPE="string"><VALUE>OSName</VALUE></PROPERTY></INSTANCE>',
  );
  expect(Object.fromEntries(read?.values ?? [])).toEqual({ Data: ["Windows Server 2022"], Name: ["OSName"] });
});

it("knows what is none", () => {
  expect(readEmbedded("<CIM/>")).toBeNull();
  expect(() => readEmbedded("no xml")).toThrow();
});
