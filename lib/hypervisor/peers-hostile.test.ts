/** What is made of hosts' answers once they are read: in time with their length, whatever refers to what in them. */
import { describe } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { readInstance } from "#lib/wire/wsman/cim.ts";
import { CLASSES, type MachineFacts, type SettingClass } from "./hyperv/machine-facts.ts";
import { mapVms } from "./hyperv/map-vm.ts";
import { mapVm } from "./virtualbox/map-vm.ts";
import { parseMachineReadable } from "./virtualbox/machine-readable.ts";
import { mapNics } from "./vmware/map-devices.ts";

const most = 1024 ** 2;
const list = (length: number, unit: number, make: (index: number) => string): string =>
  Array.from({ length: Math.max(1, Math.floor(length / unit)) }, (_, i) => make(i)).join("");

describe("a machine of VirtualBox", () => {
  growsLinearly({
    parse: (text: string) =>
      mapVm({
        uuid: "u",
        listedName: null,
        info: parseMachineReadable(text),
        settings: null,
        media: new Map(),
        poolRef: "p",
      }),
    worst: {
      "as many controllers as disks": (n) =>
        list(n, 70, (i) => `storagecontrollername${i}="c${i}"\n"c${i}-0-0"="/d"\n"c${i}-ImageUUID-0-0"="u"\n`),
      "one controller of many names": (n) =>
        list(n, 60, (i) => `storagecontrollername${i}="c"\n"c-${i}-0"="/d"\n"c-ImageUUID-${i}-0"="u"\n`),
    },
    most,
  });
});

describe("machines of Hyper-V", () => {
  const id = (i: number): string => `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
  const instance = (values: Readonly<Record<string, string>>) =>
    readInstance(
      parseXml(
        `<i>${Object.entries(values)
          .map(([name, value]) => `<${name}>${value}</${name}>`)
          .join("")}</i>`,
      ),
    );
  const facts = (count: number, machineOf: (i: number) => number): MachineFacts => {
    const each = Array.from({ length: Math.max(1, count) }, (_, i) => i);
    const settings = each.map((i) =>
      instance({ InstanceID: `Microsoft:${id(machineOf(i))}\\n${i}`, Address: "001122334455" }),
    );
    const machines = [...new Set(each.map(machineOf))].map((i) => instance({ Name: id(i) }));
    const named = each.map((i) => instance({ SystemName: id(machineOf(i)) }));
    return {
      machines,
      settings: Object.fromEntries(CLASSES.map((name) => [name, settings])) as Record<SettingClass, typeof settings>,
      exchange: named,
      heartbeats: named,
      addresses: settings,
      networks: new Map(),
      sizes: new Map(),
      cluster: null,
    };
  };
  growsLinearly({
    parse: (given: MachineFacts) => [...mapVms(given)],
    worst: {
      "many machines": (n) => facts(Math.floor(n / 1000), (i) => i),
      "one machine of many parts": (n) => facts(Math.floor(n / 1000), () => 1),
    },
    most: 16 * most,
  });
});

describe("network cards of vSphere", () => {
  growsLinearly({
    parse: (text: string) => {
      const root = parseXml(text);
      return mapNics(root.children, root.children[0], {
        isVcenter: true,
        readOnly: false,
        datacenters: new Map(),
        folders: new Map(),
        computes: new Map(),
        hosts: new Map(),
        pools: new Map(),
        datastores: new Map(),
        networks: new Map(),
      });
    },
    worst: {
      "and as many that the guest tells of": (n) =>
        `<r xmlns:x="http://www.w3.org/2001/XMLSchema-instance"><net>${list(n / 2, 60, (i) => `<GuestNicInfo><deviceConfigId>${i}</deviceConfigId></GuestNicInfo>`)}</net>${list(n / 2, 50, () => `<d x:type="VirtualVmxnet3"><key>none</key></d>`)}</r>`,
    },
    most: 4 * most,
  });
});
