/** New disks in pools of files and of block devices. */
import { describe, expect, it } from "vitest";
import type { LibvirtClient } from "../client.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { ERROR } from "../procedures.ts";
import type { RpcStream } from "../rpc.ts";
import { LibvirtVolumes } from "./volumes.ts";

const MIB = 1_048_576;

/** A host with one pool of that kind, whose volumes are made in whole units. */
function host(type: string, unit = 1) {
  const made: { xml: string; sparse: boolean | null; bytes: Buffer; holes: number }[] = [];
  const none = (): never => {
    throw new LibvirtError(ERROR.noVolume, 18, "no storage vol", []);
  };
  const block = !["dir", "netfs"].includes(type);
  const volume = { pool: "pool", name: "web", key: "key" };
  const sizeOf = (xml: string): number =>
    Math.ceil(Number(/<capacity unit='bytes'>(\d+)/.exec(xml)?.[1]) / unit) * unit;
  const parts = {
    name: "kvm-1",
    poolByName: async (name: string) => ({ name, uuid: "" }),
    poolXml: async () => `<pool type='${type}'><target><path>/dev/pool</path></target></pool>`,
    poolInfo: async () => ({ state: 2, capacity: 1, allocation: 0, available: 1 }),
    poolRefresh: async () => undefined,
    volumeByName: async () => (made.length === 0 ? none() : volume),
    createVolume: async (_pool: unknown, xml: string) => {
      made.push({ xml, sparse: null, bytes: Buffer.alloc(0), holes: 0 });
      return volume;
    },
    volumeInfo: async () => ({ type: block ? 1 : 0, capacity: sizeOf(made[0]?.xml ?? ""), physical: 0 }),
    volumePath: async () => "/dev/pool/web",
    upload: async (_volume: unknown, sparse: boolean): Promise<RpcStream> => {
      const one = made[0]!;
      one.sparse = sparse;
      return {
        write: async (bytes) => void (one.bytes = Buffer.concat([one.bytes, bytes])),
        hole: async (length) => void (one.holes += length),
        next: async () => null,
        finish: async () => undefined,
        abort: () => undefined,
      };
    },
  };
  const product = { endings: { qcow2: "qcow2", raw: "img" }, hosts: "KVM hosts" } as const;
  return { made, volumes: new LibvirtVolumes(parts as unknown as LibvirtClient, product) };
}

const spec = (virtualSize: number) => ({
  poolRef: "pool",
  name: "web",
  format: "raw" as const,
  virtualSize,
  fileLength: virtualSize,
  placement: {},
});

describe("a new disk", () => {
  it("is sparse in a pool of files", async () => {
    const { made, volumes } = host("dir");
    const { resource, sink } = await volumes.create(spec(3 * MIB));
    await sink.write(MIB, Buffer.alloc(10, 1));
    await sink.commit(3 * MIB);
    expect(resource).toEqual({ kind: "disk", ref: "pool/web.img", label: "disk pool/web.img" });
    expect(made[0]).toMatchObject({ sparse: true, holes: 3 * MIB - 10 });
    expect(made[0]?.xml).toContain("<allocation unit='bytes'>0<");
  });

  it("overwrites all of the block device that it becomes, to the device's end", async () => {
    const { made, volumes } = host("logical", 4 * MIB);
    const { resource, sink } = await volumes.create(spec(5 * MIB + 512));
    await sink.write(MIB, Buffer.alloc(10, 1));
    await sink.commit(5 * MIB + 512);
    const [one] = made;
    // Whole, not a snapshot that breaks when it is full.
    expect(one?.xml).toContain(`<capacity unit='bytes'>${6 * MIB}</capacity><allocation unit='bytes'>${6 * MIB}<`);
    expect(one).toMatchObject({ sparse: false, holes: 0 });
    const written = Buffer.alloc(8 * MIB);
    written.fill(1, MIB, MIB + 10);
    expect(one?.bytes.equals(written)).toBe(true);
    // The ledger's name says where the disk ends on the longer device.
    expect(resource).toEqual({ kind: "disk", ref: `pool/web:${5 * MIB + 512}`, label: "disk pool/web" });
    expect(await volumes.place(resource.ref)).toEqual({ path: "/dev/pool/web", block: true });
    await using read = await volumes.made(resource.ref);
    expect(read?.bytes.size).toBe(5 * MIB + 512);
  });

  it("takes no more than it holds where the pool can do that", async () => {
    const { made, volumes } = host("zfs");
    await volumes.create(spec(MIB));
    expect(made[0]?.xml).toContain("<allocation unit='bytes'>0<");
  });

  it("is refused before anything is made where it cannot be", async () => {
    const code = async (type: string, format: "raw" | "qcow2" = "raw"): Promise<unknown> =>
      host(type)
        .volumes.create({ ...spec(MIB), format })
        .then(
          () => "made",
          (error: unknown) => error,
        );
    expect(await code("logical", "qcow2")).toMatchObject({ code: "pool.format" });
    expect(await code("rbd")).toMatchObject({
      code: "pool.not-writable",
      message: expect.stringContaining("rbd import"),
    });
    expect(await code("iscsi")).toMatchObject({ message: expect.stringContaining("LUNs of its target") });
    expect(await code("disk")).toMatchObject({ message: expect.stringContaining("partitions") });
    expect(await code("other")).toMatchObject({ code: "pool.not-writable" });
  });
});
