import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../block-source.ts";
import { fingerprintFile, openInspection } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { openImageFile } from "../files/image-file.ts";
import { createStreamSink } from "../files/stream-sink.ts";
import type { ByteSink } from "../io.ts";
import { memoryDisk } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";
import { openContainer } from "./open.ts";
import type { PackedMachine } from "./package.ts";
import { PACKAGE_WRITERS, type PackageKind } from "./write.ts";

const MIB = 1024 ** 2;
const MACHINE: PackedMachine = {
  name: "Büro & Web <1>",
  cpus: 3,
  memory: 3 * 1024 * MIB,
  firmware: "uefi",
  bus: "pvscsi",
  nic: "vmxnet3",
  guest: "linux",
};
let scratch: Scratch;
let prints: string[];

beforeAll(async () => {
  scratch = new Scratch();
  scratch.raw("one.raw", 9 * MIB, [
    [3 * MIB - 5, 70_000],
    [8 * MIB, 5],
  ]);
  scratch.raw("two.raw", 3 * MIB + 1536, [[0, 512]]);
  prints = await Promise.all(["one.raw", "two.raw"].map((name) => fingerprintFile(scratch.path(name))));
});
afterAll(() => scratch[Symbol.dispose]());

async function pack(kind: PackageKind, sink: ByteSink, options = {}, machine = MACHINE) {
  await using one = await openInspection(scratch.path("one.raw"));
  await using two = await openInspection(scratch.path("two.raw"));
  await using target = sink;
  return await PACKAGE_WRITERS[kind]({ machine, disks: [one.disk, two.disk], sink: target, options });
}

async function packFile(kind: PackageKind, name: string, options = {}, machine = MACHINE): Promise<string> {
  const written = await pack(kind, await createFileSink(scratch.path(name), { overwrite: true }), options, machine);
  expect(written.fingerprints).toEqual(prints);
  expect(readFileSync(scratch.path(name)).length).toBe(written.fileLength);
  return scratch.path(name);
}

function unpack(archive: string): string[] {
  const folder = scratch.path("unpacked");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  execFileSync("tar", ["-xf", archive, "-C", folder], { stdio: "pipe" });
  return readdirSync(folder).sort();
}

const gather = () => {
  const parts: Buffer[] = [];
  const out = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parts.push(Buffer.from(chunk));
      done();
    },
  });
  return { sink: createStreamSink(out), bytes: () => Buffer.concat(parts) };
};

describe("an OVA that is written", () => {
  it.each(["sha256", "sha1"])(
    "is a tar whose disks qemu-img reads and whose manifest of %s holds",
    async (manifest) => {
      const names = unpack(await packFile("ova", "out.ova", { manifest }));
      expect(names).toEqual(
        ["Buro-Web-1.mf", "Buro-Web-1-disk1.vmdk", "Buro-Web-1-disk2.vmdk", "Buro-Web-1.ovf"].sort(),
      );
      scratch.qemuImg("compare", "unpacked/Buro-Web-1-disk1.vmdk", "one.raw");
      scratch.qemuImg("compare", "unpacked/Buro-Web-1-disk2.vmdk", "two.raw");
      const lines = readFileSync(scratch.path("unpacked/Buro-Web-1.mf"), "utf8").trim().split("\n");
      expect(lines).toHaveLength(3);
      for (const line of lines) {
        const [, name = "", digest] = /^SHA\d+\((.*)\)= ([0-9a-f]+)$/.exec(line) ?? [];
        expect(
          createHash(manifest)
            .update(readFileSync(scratch.path(`unpacked/${name}`)))
            .digest("hex"),
        ).toBe(digest);
      }
      const python = "import sys, xml.etree.ElementTree as e; print(e.parse(sys.argv[1]).getroot().tag)";
      const root = execFileSync("python3", ["-c", python, scratch.path("unpacked/Buro-Web-1.ovf")], {
        encoding: "utf8",
      });
      expect(root.trim()).toBe("{http://schemas.dmtf.org/ovf/envelope/1}Envelope");
    },
  );

  it.each(["vmware", "virtualbox"])("for %s is read back with its hardware", async (target) => {
    const path = await packFile("ova", "out.ova", { target }, { ...MACHINE, bus: "sata", nic: "e1000" });
    await using image = await openImageFile(path);
    await using container = await openContainer(image);
    expect(container).toMatchObject({
      machine: MACHINE.name,
      hints: { cpus: 3, memory: 3 * 1024 * MIB, firmware: "uefi", bus: "sata", nic: "e1000" },
      details: { hardware: target === "vmware" ? "vmx-13" : "virtualbox-2.2" },
      notes: [],
    });
    expect(await fingerprintFile(path, { disk: 1 })).toBe(prints[0]);
    expect(await fingerprintFile(path, { disk: 2 })).toBe(prints[1]);
  });

  it("goes to a target that cannot seek, of the same length and in the same order", async () => {
    const { sink, bytes } = gather();
    const written = await pack("ova", sink);
    expect(bytes().length).toBe(written.fileLength);
    writeFileSync(scratch.path("streamed.ova"), bytes());
    await packFile("ova", "seeked.ova");
    const list = (name: string) => execFileSync("tar", ["-tvf", scratch.path(name)], { encoding: "utf8" });
    expect(list("streamed.ova")).toBe(list("seeked.ova"));
    expect(await fingerprintFile(scratch.path("streamed.ova"), { disk: 1 })).toBe(prints[0]);
  });

  it("is not given out when the disk changes between the two passes", async () => {
    const bytes = Buffer.alloc(MIB, 1);
    let reads = 0;
    const disk: BlockSource = {
      ...memoryDisk(bytes),
      read: async (offset, into) => void into.set(bytes.subarray(offset, offset + into.length).fill((reads += 1))),
    };
    const { sink } = gather();
    const packing = PACKAGE_WRITERS.ova({ machine: MACHINE, disks: [disk], sink, options: {} });
    await expect(packing).rejects.toMatchObject({ code: "package.changed" });
    await sink[Symbol.asyncDispose]();
  });

  it("leaves nothing when a disk cannot be read to its end, or the last word is no", async () => {
    const failing: BlockSource = {
      ...memoryDisk(Buffer.alloc(MIB, 1)),
      read: () => Promise.reject(new AppError("unavailable", "io.failed", "gone")),
    };
    for (const [kind, disk, code] of [
      ["ova", failing, "io.failed"],
      ["xva", failing, "io.failed"],
      ["ova", memoryDisk(Buffer.alloc(MIB, 1)), "image.manifest-mismatch"],
    ] as const) {
      await using sink = await createFileSink(scratch.path("half.ova"));
      const packing = PACKAGE_WRITERS[kind]({
        machine: MACHINE,
        disks: [disk],
        sink,
        options: {},
        beforeCommit: () => Promise.reject(new AppError("unprocessable", "image.manifest-mismatch", "no")),
      });
      await expect(packing).rejects.toMatchObject({ code });
    }
    expect(readdirSync(scratch.folder).filter((name) => name.includes("half"))).toEqual([]);
  });

  it("spreads many disks over controllers, and refuses more than they take", async () => {
    const disks = (count: number) => Array.from({ length: count }, () => memoryDisk(Buffer.alloc(512, 1)));
    await using sink = await createFileSink(scratch.path("many.ova"), { overwrite: true });
    await PACKAGE_WRITERS.ova({ machine: { ...MACHINE, bus: "ide" }, disks: disks(4), sink, options: {} });
    await using image = await openImageFile(scratch.path("many.ova"));
    await using container = await openContainer(image);
    expect(container).toMatchObject({ hints: { bus: "ide" }, disks: { length: 4 } });
    const code = async (count: number) => {
      const { sink: other } = gather();
      return PACKAGE_WRITERS.ova({
        machine: { ...MACHINE, bus: "ide" },
        disks: disks(count),
        sink: other,
        options: {},
      }).catch((error: { code?: string }) => error.code);
    };
    expect(await code(5)).toBe("package.too-many-disks");
    expect(await code(0)).toBe("package.no-disks");
  });
});

describe("an XVA that is written", () => {
  it("holds blocks that xva-img joins to the same disks", async () => {
    const whole = scratch.raw("whole.raw", 6 * MIB, [[2 * MIB - 1, 2]]);
    await using opened = await openInspection(whole);
    const { sink, bytes } = gather();
    await PACKAGE_WRITERS.xva({ machine: MACHINE, disks: [opened.disk, opened.disk], sink, options: {} });
    writeFileSync(scratch.path("out.xva"), bytes());
    expect(unpack(scratch.path("out.xva"))).toEqual(["Ref:1000", "Ref:1001", "ova.xml"]);
    const names = readdirSync(scratch.path("unpacked/Ref:1001")).filter((name) => !name.includes("."));
    expect(names.sort()).toEqual(["00000000", "00000001", "00000002", "00000005"]);
    for (const folder of ["Ref:1000", "Ref:1001"]) {
      execFileSync("xva-img", ["disk-export", `unpacked/${folder}`, "back.raw"], {
        cwd: scratch.folder,
        stdio: "pipe",
      });
      expect(readFileSync(scratch.path("back.raw")).equals(readFileSync(whole))).toBe(true);
    }
  });

  it.each(["sha1", "xxh64"])(
    "with %s is read back with its hardware, and begins with its records",
    async (checksum) => {
      const path = await packFile("xva", "out.xva", { checksum });
      await using image = await openImageFile(path);
      await using container = await openContainer(image);
      expect(container).toMatchObject({
        kind: "xva",
        machine: MACHINE.name,
        hints: { cpus: 3, memory: 3 * 1024 * MIB, firmware: "uefi" },
        details: { checksums: checksum, nics: 1 },
        notes: [],
      });
      expect(await fingerprintFile(path, { disk: 1 })).toBe(prints[0]);
      expect(await fingerprintFile(path, { disk: 2 })).toBe(prints[1]);
      const list = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).split("\n");
      expect(list[0]).toBe("ova.xml");
      // xapi takes blocks disk by disk, in the order of the references as text.
      const folders = list.slice(1).map((name) => name.split("/")[0]);
      expect(folders).toEqual([...folders.slice(0, -1)].sort().concat(""));
    },
  );

  it("has records that Python's XML-RPC reads, and every reference in them leads somewhere", async () => {
    unpack(await packFile("xva", "out.xva"));
    const python = [
      "import sys, json, xmlrpc.client as x",
      "text = open(sys.argv[1]).read()",
      "[value] = x.loads('<params><param>' + text + '</param></params>')[0]",
      "print(json.dumps(value, default=str))",
    ].join("\n");
    const read = execFileSync("python3", ["-c", python, scratch.path("unpacked/ova.xml")], { encoding: "utf8" });
    const { version, objects } = JSON.parse(read) as {
      version: Record<string, unknown>;
      objects: { class: string; id: string; snapshot: Record<string, unknown> }[];
    };
    expect(version).toMatchObject({ export_vsn: "2", product_brand: "XenServer" });
    expect(objects.map((each) => each.class).sort()).toEqual(
      ["SR", "VBD", "VBD", "VDI", "VDI", "VIF", "VM", "network"].sort(),
    );
    const ids = new Set(objects.map(({ id }) => id));
    expect(ids.size).toBe(objects.length);
    const named = objects
      .flatMap(({ snapshot }) => Object.values(snapshot).flat())
      .filter((value) => typeof value === "string" && value.startsWith("Ref:"));
    expect(named.length).toBeGreaterThan(10);
    for (const reference of named) expect(ids).toContain(reference);
    expect(objects.find((each) => each.class === "VM")?.snapshot).toMatchObject({
      name_label: MACHINE.name,
      is_a_template: false,
      VCPUs_max: "3",
      memory_static_max: String(3 * 1024 * MIB),
      HVM_boot_params: { firmware: "uefi" },
    });
  });

  it("takes no option that it does not know", async () => {
    const { sink } = gather();
    await expect(pack("xva", sink, { compression: "zstd" })).rejects.toMatchObject({ code: "options.invalid" });
  });
});
