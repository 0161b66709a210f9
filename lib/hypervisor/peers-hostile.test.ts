/** What is made of hosts' answers once they are read: in time with their length, whatever refers to what in them. */
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { type CimInstance, readInstance } from "#lib/wire/wsman/cim.ts";
import { CLASSES, type MachineFacts, type SettingClass } from "./hyperv/machine-facts.ts";
import { mapVms } from "./hyperv/map-vm.ts";
import { networksOf } from "./hyperv/read-host.ts";
import { mapVm } from "./virtualbox/map-vm.ts";
import { parseMachineReadable } from "./virtualbox/machine-readable.ts";
import { Feed } from "./vmware/feed.ts";
import { mapNics } from "./vmware/map-devices.ts";
import { retrieve } from "./vmware/properties.ts";
import type { VimClient } from "./vmware/vim-client.ts";

const most = 1024 ** 2;
/** All of them, one after the other. */
async function taken(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of items) count += 1;
  return count;
}
const list = (length: number, unit: number, make: (index: number) => string): string =>
  Array.from({ length: Math.max(1, Math.floor(length / unit)) }, (_, i) => make(i)).join("");

describe("a machine of VirtualBox", () => {
  growsLinearly({
    parse: async (text: string) =>
      mapVm({
        uuid: "u",
        listedName: null,
        info: await parseMachineReadable(text),
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
    parse: (given: MachineFacts) => taken(mapVms(given)),
    worst: {
      "many machines": (n) => facts(Math.floor(n / 1000), (i) => i),
      "one machine of many parts": (n) => facts(Math.floor(n / 1000), () => 1),
    },
    most: 16 * most,
  });
});

describe("switches of Hyper-V", () => {
  const named = (values: Readonly<Record<string, string>>): CimInstance => ({
    className: "",
    namespace: "",
    values: new Map(Object.entries(values).map(([name, value]) => [name, [value]])),
  });
  growsLinearly({
    parse: ({ switches, ports }: { switches: readonly CimInstance[]; ports: readonly CimInstance[] }) =>
      networksOf(switches, ports),
    worst: {
      "as many as ports": (n) => {
        const each = Array.from({ length: Math.ceil(n / 200) }, (_, i) => i);
        return {
          switches: each.map((i) => named({ Name: `s${i}` })),
          ports: each.map((i) => named({ InstanceID: `Microsoft:s${i}\\p`, HostResource: "x" })),
        };
      },
    },
    most: 16 * most,
  });

  it("are what their own ports say", async () => {
    const port = (id: string, end: string) => named({ InstanceID: `Microsoft:${id}\\p`, HostResource: end });
    const found = await networksOf(
      ["a", "b", "c"].map((Name) => named({ Name })),
      [
        port("a", "\\\\H\\root:Msvm_ComputerSystem.Name=1"),
        port("a", "\\\\H\\root:Msvm_ExternalEthernetPort.Name=1"),
        port("b", "\\\\H\\root:Msvm_ComputerSystem.Name=1"),
      ],
    );
    expect(found.map(({ ref, type }) => [ref, type])).toEqual([
      ["a", "external"],
      ["b", "internal"],
      ["c", "private"],
    ]);
  });
});

describe("network cards of vSphere", () => {
  growsLinearly({
    parse: (text: string) => {
      const root = parseXml(text);
      return mapNics(root.children, root.children[0], {
        isVcenter: true,
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

describe("lists of vSphere that do not end", () => {
  const answer = (text: string) => parseXml(`<r><returnval>${text}</returnval></r>`);
  const said = (text: string) =>
    ({
      name: "vc",
      isVcenter: true,
      generation: 1,
      service: () => ({ type: "", id: "" }),
      call: () => Promise.resolve(answer("")),
      async *stream() {
        return answer(text);
      },
    }) as unknown as VimClient;

  it("are given up", async () => {
    const pages = retrieve(said("<token>more</token>"), [], [{ type: "Folder", id: "f" }]);
    await expect(taken(pages)).rejects.toMatchObject({ code: "host.protocol" });
    const feed = await Feed.open(said("<version>1</version><truncated>true</truncated>"));
    const updates = feed.next(new AbortController().signal);
    await expect(taken(updates)).rejects.toMatchObject({ code: "host.protocol" });
  });
});
