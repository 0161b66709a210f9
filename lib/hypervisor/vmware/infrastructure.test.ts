import { describe, expect, it } from "vitest";
import { datacenterOf, datacenterOfVm, datacenterPath, folderPath, readInfrastructure } from "./infrastructure.ts";
import { structureItems } from "./items.ts";
import { hostCoresOf, placeFor } from "./place.ts";
import { ref } from "./ref.ts";
import { objectXml, scriptedClient } from "./testing-client.ts";

const text = (value: string): string => `<val>${value}</val>`;
const inside = (type: string, id: string, name: string, parent: string | null, more: Record<string, string> = {}) =>
  objectXml(type, id, { name: text(name), ...(parent === null ? {} : { parent: text(parent) }), ...more });
const datastore = (id: string, name: string, parent: string, maintenance: string) =>
  inside("Datastore", id, name, parent, {
    host: `<val><DatastoreHostMount><key type="HostSystem">h1</key><mountInfo><accessMode>readWrite</accessMode></mountInfo></DatastoreHostMount></val>`,
    summary: `<val><type>VMFS</type><capacity>100</capacity><freeSpace>50</freeSpace><accessible>true</accessible><maintenanceMode>${maintenance}</maintenanceMode></val>`,
  });

/** Folders in folders of each kind, datastores in a cluster, and a vApp, as vCenters with SAN storage have them. */
const OBJECTS = [
  inside("Folder", "root", "Datacenters", null),
  inside("Folder", "eu", "Europe%2fEast", "root"),
  inside("Datacenter", "dc", "Berlin 100%25", "eu", { vmFolder: `<val type="Folder">vms</val>` }),
  inside("Folder", "vms", "vm", "dc"),
  inside("Folder", "web", "Web%2fDMZ", "vms"),
  inside("Folder", "stores", "datastore", "dc"),
  inside("Folder", "san", "SAN", "stores"),
  inside("StoragePod", "pod", "Gold", "san"),
  datastore("ds-1", "gold-1", "pod", "normal"),
  datastore("ds-2", "gold-2", "pod", "inMaintenance"),
  datastore("ds-3", "gold-3", "pod", "enteringMaintenance"),
  inside("Folder", "hosts", "host", "dc"),
  inside("ClusterComputeResource", "c1", "Cluster", "hosts", {
    host: `<val><ManagedObjectReference type="HostSystem">h1</ManagedObjectReference></val>`,
    resourcePool: `<val type="ResourcePool">rp</val>`,
  }),
  inside("HostSystem", "h1", "esxi-1", "c1", {
    "runtime.connectionState": text("connected"),
    "summary.hardware": `<val><numCpuPkgs>2</numCpuPkgs><numCpuCores>24</numCpuCores><numCpuThreads>48</numCpuThreads></val>`,
  }),
  inside("ResourcePool", "rp", "Resources", "c1", { owner: text("c1") }),
  inside("VirtualApp", "vapp", "Shop", "rp", { owner: text("c1") }),
];

describe("a vCenter with folders and datastore clusters", () => {
  const { client } = scriptedClient(() => OBJECTS);
  const read = () => readInfrastructure(client);

  it("finds the data centre of everything", async () => {
    const infra = await read();
    for (const id of ["ds-1", "pod", "san", "web", "h1", "rp", "vapp", "c1"])
      expect(datacenterOf(infra, id)).toBe("dc");
    // A VM in a vApp has no folder.
    const inApp = { parent: null, resourcePool: ref("VirtualApp", "vapp") };
    expect(datacenterOfVm(infra, inApp)?.id).toBe("dc");
    expect(datacenterOfVm(infra, { parent: null, resourcePool: null })).toBeNull();
  });

  it("shows names as people write them, and asks for files by names as vSphere has them", async () => {
    const infra = await read();
    expect(folderPath(infra, "web")).toBe("Web/DMZ");
    expect(infra.datacenters.get("dc")?.name).toBe("Berlin 100%");
    expect(datacenterPath(infra, "dc")).toBe("Europe%2fEast/Berlin 100%25");
  });

  it("puts disks on the datastores of a cluster, but not on those in maintenance", async () => {
    const infra = await read();
    const place = placeFor(infra, "ds-1", {});
    expect(place.datacenter.id).toBe("dc");
    expect(hostCoresOf(infra, place)).toBe(12);
    const pools = (await structureItems(client, infra)).filter((item) => item.kind === "pool");
    expect(pools.map(({ name, writable }) => [name, writable])).toEqual([
      ["gold-1", true],
      ["gold-2", false],
      ["gold-3", false],
    ]);
    expect(() => placeFor(infra, "ds-2", {})).toThrow("maintenance mode");
  });
});
