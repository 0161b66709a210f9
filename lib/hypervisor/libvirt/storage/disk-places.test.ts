import { describe, expect, it } from "vitest";
import type { VmDisk } from "#lib/domain/inventory.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { ERROR } from "../procedures.ts";
import type { NamedRef, VolumeRef } from "../types.ts";
import { DiskPlaces } from "./disk-places.ts";

const POOLS: Record<string, { type: string; path: string; active: boolean; volumes: readonly string[] }> = {
  images: { type: "dir", path: "/var/lib/libvirt/images/", active: true, volumes: ["web.qcow2"] },
  vg0: { type: "logical", path: "/dev/vg0", active: true, volumes: ["web"] },
  ceph: { type: "rbd", path: "", active: true, volumes: ["web"] },
  off: { type: "dir", path: "/off", active: false, volumes: [] },
};

/** A host with these pools, and what it was asked. */
function host() {
  const asked: string[] = [];
  const seen = new Map(Object.entries(POOLS).map(([name, { volumes }]) => [name, [...volumes]]));
  const named = (name: string): NamedRef => ({ name, uuid: name });
  const volume = (pool: string, name: string): VolumeRef => ({ pool, name, key: `key of ${name}` });
  const none = (): never => {
    throw new LibvirtError(ERROR.noVolume, 18, "no storage vol", []);
  };
  const places = (time: () => number = () => 0) =>
    new DiskPlaces(
      {
        pools: async (active) =>
          Object.entries(POOLS)
            .filter(([, pool]) => pool.active === active)
            .map(([name]) => named(name)),
        poolXml: async ({ name }) =>
          `<pool type='${POOLS[name]?.type}'><target><path>${POOLS[name]?.path}</path></target></pool>`,
        poolInfo: async () => ({ state: 2, capacity: 1, allocation: 1, available: 1 }),
        poolByName: async (name) => named(name),
        poolRefresh: async ({ name }) => {
          asked.push(`refresh ${name}`);
          seen.get(name)?.push("new.qcow2");
        },
        volumeByName: async (pool, name) => (seen.get(pool.name)?.includes(name) ? volume(pool.name, name) : none()),
        volumeByPath: async (path) => {
          asked.push(path);
          for (const [pool, names] of seen)
            for (const name of names)
              if (`${POOLS[pool]?.path}/${name}`.replace("//", "/") === path) return volume(pool, name);
          return none();
        },
        volumeInfo: async ({ pool }) => ({
          type: pool === "vg0" ? 1 : 0,
          capacity: 100,
          physical: pool === "vg0" ? 0 : 7,
        }),
        volumePath: async ({ pool, name }) => `${POOLS[pool]?.path}${name}`,
      },
      time,
    );
  return { asked, places };
}

const disk = (source: string, storageRef: string | null = null): VmDisk => ({
  id: "vda",
  label: "vda",
  bus: "virtio",
  source,
  storageRef,
  format: "qcow2",
  capacity: null,
  allocated: null,
  readOnly: false,
  captureBlocker: null,
});

describe("where a domain's disk lies", () => {
  it.each([
    [disk("/var/lib/libvirt/images/web.qcow2"), { storageRef: "images", capacity: 100, allocated: 7 }],
    // As Terraform defines them: by pool and volume.
    [disk("images/web.qcow2", "images"), { storageRef: "images", source: "/var/lib/libvirt/images/web.qcow2" }],
    [disk("/dev/vg0/web"), { storageRef: "vg0", capacity: 100, allocated: 100 }],
  ])("is the volume %#", async (given, found) => {
    expect(await host().places().locate(given)).toMatchObject({ captureBlocker: null, ...found });
  });

  it.each([
    [disk("ceph/web", "ceph"), "Ceph RBD"],
    [disk("off/web", "off"), "which is not active. Start the pool first."],
    [disk("gone/web", "gone"), "which is not on this host"],
    [disk("images/gone", "images"), "which has no such volume"],
    [disk("/srv/web.qcow2"), "the file /srv/web.qcow2, which is in no active storage pool"],
    [disk("/off/web.qcow2"), "which is in no active storage pool"],
    [disk("/dev/sdb"), "the block device /dev/sdb, which libvirt finds in none of its pools"],
  ])("is said when nothing can be read: %#", async (given, words) => {
    expect((await host().places().locate(given)).captureBlocker).toContain(words);
  });

  it("is not asked again and again where libvirt knows nothing: it logs an error each time", async () => {
    const { asked, places } = host();
    let now = 0;
    const found = places(() => now);
    for (let i = 0; i < 3; i += 1) {
      await found.locate(disk("/srv/outside.qcow2"));
      await found.locate(disk("/dev/sdb"));
    }
    expect(asked).toEqual(["/dev/sdb"]);
    now = 3_600_000;
    await found.locate(disk("/dev/sdb"));
    expect(asked).toEqual(["/dev/sdb", "/dev/sdb"]);
  });

  it("is found once the pool has looked at its folder again", async () => {
    const { asked, places } = host();
    const found = places();
    const fresh = disk("/var/lib/libvirt/images/new.qcow2");
    expect((await found.locate(fresh)).captureBlocker).toContain("the pool images has not seen yet");
    await expect.poll(async () => (await found.locate(fresh)).captureBlocker).toBeNull();
    expect(asked).toEqual([fresh.source, "refresh images", fresh.source]);
  });
});
