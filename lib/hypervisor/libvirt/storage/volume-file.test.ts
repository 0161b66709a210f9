/** Chains of qcow2 images that lie in several pools, as snapshots and cloned disks leave them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { openImageDisk } from "../../image-disk.ts";
import type { LibvirtClient } from "../client.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { ERROR } from "../procedures.ts";
import type { RpcStream } from "../rpc.ts";
import type { VolumeRef } from "../types.ts";
import { openVolumeFile } from "./volume-file.ts";

const MIB = 1_048_576;
let scratch: Scratch;
const at = (...path: string[]): string => join(scratch.folder, ...path);

/** The folders `a` and `b` are pools. */
function client(): LibvirtClient {
  const pathOf = ({ pool, name }: VolumeRef): string => at(pool, name);
  const found = (pool: string, name: string): VolumeRef => {
    try {
      readFileSync(at(pool, name));
    } catch {
      throw new LibvirtError(ERROR.noVolume, 18, "no storage vol with matching path", []);
    }
    return { pool, name, key: at(pool, name) };
  };
  const parts = {
    name: "kvm-1",
    poolByName: async (name: string) => ({ name, uuid: name }),
    volumeByName: async (pool: { name: string }, name: string) => found(pool.name, name),
    volumeByPath: async (path: string) =>
      found(["a", "b"].find((pool) => at(pool) === dirname(path)) ?? "?", basename(path)),
    volumePath: async (volume: VolumeRef) => pathOf(volume),
    volumeInfo: async (volume: VolumeRef) => {
      const { length } = readFileSync(pathOf(volume));
      return { type: 0, capacity: length, physical: length };
    },
    download: async (volume: VolumeRef, { offset, length }: { offset: number; length: number }): Promise<RpcStream> => {
      const items = [readFileSync(pathOf(volume)).subarray(offset, offset + length)];
      const refused = async (): Promise<never> => Promise.reject(new Error("for reading"));
      return {
        write: refused,
        hole: refused,
        next: async () => {
          const bytes = items.shift();
          return bytes === undefined ? null : { type: "data", bytes };
        },
        finish: async () => undefined,
        abort: () => undefined,
      };
    },
  };
  return parts as unknown as LibvirtClient;
}

async function read(volume: string, said: DiskFormatId | null): Promise<string> {
  const [pool = "", name = ""] = volume.split("/");
  const file = await openVolumeFile(client(), { pool, name, key: "" }, { otherPools: said === "qcow2" });
  await using opened = await openImageDisk(file, said);
  if (opened.access !== "random") throw new Error("no image");
  return await fingerprintDisk(opened.disk);
}

const refusal = async (work: Promise<string>): Promise<unknown> => work.catch((error: unknown) => error);

describe("an image whose backing file is named by its path", () => {
  let wanted: string;

  beforeAll(async () => {
    scratch = new Scratch();
    for (const folder of ["a", "b", "elsewhere"]) mkdirSync(at(folder));
    scratch.raw("b.raw", MIB, [[65_536, 4096]]);
    scratch.qemuImg("convert", "-O", "qcow2", "b.raw", "b/disk.qcow2");
    scratch.qemuImg("convert", "-O", "qcow2", "b.raw", "elsewhere/disk.qcow2");
    scratch.qemuImg("convert", "-O", "raw", "b.raw", "b/wanted.raw");
    // The same name in two pools: two files.
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", at("b/disk.qcow2"), "-F", "qcow2", "a/disk.qcow2");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "a/snap.qcow2");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", "../b/disk.qcow2", "-F", "qcow2", "a/relative.qcow2");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", at("elsewhere/disk.qcow2"), "-F", "qcow2", "a/out.qcow2");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "a/probed.qcow2");
    // Older images do not say which format their backing file has: that extension of the header is an unknown one here.
    const untold = readFileSync(at("a/probed.qcow2"));
    untold.writeUInt32BE(0x12345678, untold.indexOf(Buffer.from("e2792aca", "hex")));
    writeFileSync(at("a/probed.qcow2"), untold);
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", at("a/loop.qcow2"), "-F", "qcow2", "a/loop.qcow2", "1M");
    wanted = await read("b/wanted.raw", "raw");
  });
  afterAll(() => scratch[Symbol.dispose]());

  it.each(["a/disk.qcow2", "a/snap.qcow2", "a/relative.qcow2"])(
    "is read with all that it stands on: %s",
    async (volume) => {
      expect(await read(volume, "qcow2")).toBe(wanted);
    },
  );

  it("is refused where no pool holds the file, which is named with what to do", async () => {
    expect(await refusal(read("a/out.qcow2", "qcow2"))).toMatchObject({
      code: "image.backing-outside-pools",
      message: expect.stringContaining(
        `stands on ${at("elsewhere/disk.qcow2")}, which is in no storage pool that libvirt on kvm-1 knows`,
      ),
      hint: expect.stringContaining(`virsh pool-create-as NAME dir --target ${at("elsewhere")}`),
    });
  });

  it("is not followed where only its content says that it is an image: a guest may have written it", async () => {
    expect(await refusal(read("a/disk.qcow2", null))).toMatchObject({ code: "image.path-escapes" });
    expect(await refusal(read("a/probed.qcow2", "qcow2"))).toMatchObject({
      code: "image.path-escapes",
      hint: expect.stringContaining("-F qcow2"),
    });
  });

  it("does not go round in a circle", async () => {
    expect(await refusal(read("a/loop.qcow2", "qcow2"))).toMatchObject({ code: "image.chain-loop" });
  });
});

it("a volume that is shorter than its pool says is not filled up with zeros", async () => {
  const folder = new Scratch();
  const bytes = Buffer.alloc(4096, 1);
  const stream = [{ type: "data", bytes }];
  const short = {
    name: "kvm-1",
    volumePath: async () => folder.path("short.raw"),
    volumeInfo: async () => ({ type: 0, capacity: 8192, physical: 8192 }),
    download: async () => ({
      next: async () => stream.shift() ?? null,
      finish: async () => undefined,
      abort: () => undefined,
    }),
  } as unknown as LibvirtClient;
  await using file = await openVolumeFile(short, { pool: "a", name: "short.raw", key: "" }, { otherPools: false });
  await expect(file.bytes.read(0, Buffer.alloc(8192))).rejects.toMatchObject({ code: "io.short-read" });
  folder[Symbol.dispose]();
});
