import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convertFile, fingerprintFile, openInspection } from "../../file-conversion.ts";
import { openImageFile } from "../../files/image-file.ts";
import { tar, vsphereOvf, writeManifest } from "../../testing/packages.ts";
import { Scratch } from "../../testing/scratch.ts";
import type { OpenedContainer } from "../container.ts";
import { openContainer } from "../open.ts";

const MIB = 1024 ** 2;
let scratch: Scratch;
let prints: string[];

beforeAll(async () => {
  scratch = new Scratch();
  scratch.raw("one.raw", 4 * MIB, [[MIB, 70_000]]);
  scratch.raw("two.raw", 3 * MIB, [[0, 4096]]);
  for (const name of ["one", "two"]) {
    const options = ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"];
    scratch.qemuImg("convert", ...options, `${name}.raw`, `${name}.vmdk`);
  }
  prints = await Promise.all(["one.raw", "two.raw"].map((name) => fingerprintFile(scratch.path(name))));
  writeFileSync(
    scratch.path("web.ovf"),
    vsphereOvf(scratch, [
      { file: "one.vmdk", attributes: 'ovf:capacity="4" ovf:capacityAllocationUnits="byte * 2^20"' },
      { file: "two.vmdk", attributes: `ovf:capacity="${3 * MIB}"` },
    ]),
  );
});
afterAll(() => scratch[Symbol.dispose]());

async function withContainer<T>(path: string, use: (container: OpenedContainer) => Promise<T> | T): Promise<T> {
  await using image = await openImageFile(path);
  const container = await openContainer(image);
  if (container === null) throw new Error("no container");
  return await use(container);
}

test("an OVA of vSphere: hardware, disks in the machine's order, each read where it lies", async () => {
  writeManifest(scratch, "web.mf", "sha256", ["web.ovf", "one.vmdk", "two.vmdk"]);
  for (const format of ["ustar", "gnu", "pax", "v7"]) {
    const path = tar(scratch, `web-${format}.ova`, ["web.ovf", "web.mf", "one.vmdk", "two.vmdk"], format);
    await withContainer(path, (container) => {
      expect(container).toMatchObject({
        kind: "ova",
        machine: "web & db 1",
        hints: { cpus: 4, memory: 2048 * MIB, firmware: "uefi", bus: "pvscsi", nic: "vmxnet3" },
        details: { hardware: "vmx-13", manifest: "sha256", nics: 1 },
        notes: [],
      });
      // The hardware lists the second first.
      expect(container.disks.map(({ entry, capacity }) => [entry, capacity])).toEqual([
        ["two.vmdk", 3 * MIB],
        ["one.vmdk", 4 * MIB],
      ]);
    });
    expect(await fingerprintFile(path, { disk: 1 })).toBe(prints[1]);
    expect(await fingerprintFile(path, { disk: "one.vmdk" })).toBe(prints[0]);
  }
});

test("several disks want to be chosen from; what is converted is what qemu-img has", async () => {
  const source = tar(scratch, "pair.ova", ["web.ovf", "one.vmdk", "two.vmdk"]);
  const target = scratch.path("chosen.qcow2");
  const request = { source, target, to: "qcow2", options: {} } as const;
  await expect(convertFile(request)).rejects.toMatchObject({
    code: "image.disk-unsaid",
    hint: "Say which one. 1: two.vmdk, 2: one.vmdk",
  });
  await expect(convertFile({ ...request, disk: 3 })).rejects.toMatchObject({ code: "image.no-such-disk" });
  await convertFile({ ...request, disk: "2" });
  expect(scratch.qemuImg("compare", "one.raw", "chosen.qcow2")).toContain("identical");
  await using opened = await openInspection(source, { disk: 2 });
  expect(opened.facts).toMatchObject({
    format: "vmdk",
    files: ["pair.ova"],
    details: { container: "OVA", entry: "one.vmdk", disk: "2 of 2" },
  });
});

test.each(["sha1", "sha256", "sha512"])(
  "a manifest of %s is compared while the disk is converted",
  async (algorithm) => {
    writeManifest(scratch, "web.mf", algorithm, ["web.ovf", "one.vmdk", "two.vmdk"]);
    const good = tar(scratch, "good.ova", ["web.ovf", "one.vmdk", "two.vmdk", "web.mf"]);
    const target = scratch.path(`checked-${algorithm}.raw`);
    await convertFile({ source: good, target, to: "raw", options: {}, disk: 2 });
    expect(scratch.qemuImg("compare", "one.raw", target)).toContain("identical");

    // One byte of the descriptor inside the VMDK, which no reader of the disk looks at.
    const bytes = readFileSync(good);
    bytes.writeUInt8(
      bytes.readUInt8(bytes.indexOf("# Disk DescriptorFile") + 2) ^ 0x20,
      bytes.indexOf("# Disk DescriptorFile") + 2,
    );
    writeFileSync(scratch.path("bad.ova"), bytes);
    const bad = scratch.path(`unchecked-${algorithm}.raw`);
    const outcome = convertFile({
      source: scratch.path("bad.ova"),
      target: bad,
      to: "raw",
      options: {},
      disk: "one.vmdk",
    });
    await expect(outcome).rejects.toMatchObject({ code: "image.manifest-mismatch", details: { entry: "one.vmdk" } });
    expect(() => readFileSync(bad)).toThrow("ENOENT");
  },
);

test("a descriptor that its manifest does not know is refused before anything is read", async () => {
  writeFileSync(scratch.path("web.mf"), `SHA1(web.ovf)= ${"0".repeat(40)}\n`);
  const path = tar(scratch, "edited.ova", ["web.ovf", "web.mf", "one.vmdk", "two.vmdk"]);
  await expect(withContainer(path, () => null)).rejects.toMatchObject({ code: "image.manifest-mismatch" });
  writeFileSync(scratch.path("web.mf"), "SHA1(web.ovf)= 12\n");
  tar(scratch, "edited.ova", ["web.ovf", "web.mf", "one.vmdk", "two.vmdk"]);
  await expect(withContainer(path, () => null)).rejects.toMatchObject({ code: "image.corrupt" });
});

test("a descriptor with its files beside it, in parts and with a blank in the name", async () => {
  mkdirSync(scratch.path("loose"));
  const text = readFileSync(scratch.path("web.ovf"), "utf8");
  const one = readFileSync(scratch.path("one.vmdk"));
  writeFileSync(scratch.path("loose/disk two.vmdk"), readFileSync(scratch.path("two.vmdk")));
  for (let i = 0; i * 40_000 < one.length; i++) {
    writeFileSync(scratch.path(`loose/one.vmdk.00000000${i}`), one.subarray(i * 40_000, (i + 1) * 40_000));
  }
  const written = text
    .replace('ovf:href="one.vmdk"', 'ovf:href="one.vmdk" ovf:chunkSize="40000"')
    .replace('ovf:href="two.vmdk"', 'ovf:href="disk%20two.vmdk"');
  writeFileSync(scratch.path("loose/web.ovf"), written);
  expect(await fingerprintFile(scratch.path("loose/web.ovf"), { disk: 1 })).toBe(prints[1]);
  expect(await fingerprintFile(scratch.path("loose/web.ovf"), { disk: 2 })).toBe(prints[0]);
  await using opened = await openInspection(scratch.path("loose/web.ovf"), { disk: 2 });
  expect(opened.facts.files).toContain("one.vmdk.000000001");
  renameSync(scratch.path("loose/one.vmdk.000000000"), scratch.path("loose/gone"));
  await expect(fingerprintFile(scratch.path("loose/web.ovf"), { disk: 1 })).rejects.toMatchObject({
    code: "image.sibling-missing",
  });
});

test("a file that is stored as gzip is unpacked, and its manifest is that of the packed one", async () => {
  const packed = gzipSync(readFileSync(scratch.path("one.vmdk")));
  writeFileSync(scratch.path("one.vmdk.gz"), packed);
  const disk = { file: "one.vmdk.gz", attributes: `ovf:capacity="${4 * MIB}"` };
  const text = vsphereOvf(scratch, [disk]).replace('ovf:id="file1"', 'ovf:id="file1" ovf:compression="gzip"');
  writeFileSync(scratch.path("gz.ovf"), text);
  writeManifest(scratch, "gz.mf", "sha256", ["gz.ovf", "one.vmdk.gz"]);
  const files = ["gz.ovf", "gz.mf", "one.vmdk.gz"];
  const source = tar(scratch, "gz.ova", files);
  const request = { source, target: scratch.path("gz.raw"), to: "raw", options: {}, overwrite: true } as const;
  await convertFile(request);
  expect(scratch.qemuImg("compare", "one.raw", "gz.raw")).toContain("identical");

  // The file's time in its header: no reader of the content looks at it.
  packed.writeUInt8(packed.readUInt8(4) ^ 1, 4);
  writeFileSync(scratch.path("one.vmdk.gz"), packed);
  tar(scratch, "gz.ova", files);
  await expect(convertFile(request)).rejects.toMatchObject({ code: "image.manifest-mismatch" });
  packed.writeUInt8(packed.readUInt8(5000) ^ 1, 5000);
  writeFileSync(scratch.path("one.vmdk.gz"), packed);
  tar(scratch, "gz.ova", files);
  await expect(convertFile(request)).rejects.toMatchObject({ code: "image.corrupt" });
});

test("a descriptor cannot reach beyond its folder", async () => {
  mkdirSync(scratch.path("jail"));
  symlinkSync(scratch.path("one.vmdk"), scratch.path("jail/linked.vmdk"));
  const text = readFileSync(scratch.path("web.ovf"), "utf8").replace(/ ovf:size="\d+"/g, "");
  for (const href of [
    "../one.vmdk",
    "/etc/passwd",
    "https://host/one.vmdk",
    "file:///etc/passwd",
    "a\\b",
    "linked.vmdk",
    "..",
  ]) {
    writeFileSync(scratch.path("jail/web.ovf"), text.replace("two.vmdk", href));
    await expect(withContainer(scratch.path("jail/web.ovf"), () => null)).rejects.toMatchObject({
      code: "image.path-escapes",
    });
  }
  // %2e%2e%2f is no way around it.
  writeFileSync(scratch.path("jail/web.ovf"), text.replace("two.vmdk", "%2e%2e%2fone.vmdk"));
  await expect(withContainer(scratch.path("jail/web.ovf"), () => null)).rejects.toMatchObject({
    code: "image.sibling-missing",
  });
});

test("oVirt's dialect: sections by type, sizes in gibibytes, a raw disk that the descriptor vouches for", async () => {
  writeFileSync(
    scratch.path("vm.ovf"),
    `<?xml version='1.0' encoding='UTF-8'?><ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" xmlns:rasd="r" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="4.4.0.0">
<References><File ovf:href="one.raw" ovf:id="one.raw" ovf:size="${4 * MIB}"/></References>
<Section xsi:type="ovf:DiskSection_Type"><Disk ovf:diskId="d1" ovf:size="1" ovf:parentRef="" ovf:fileRef="one.raw" ovf:volume-format="RAW"/></Section>
<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>ovirt</Name><BiosType>3</BiosType>
<Section xsi:type="ovf:VirtualHardwareSection_Type"><Item><rasd:InstanceId>1</rasd:InstanceId><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item></Section>
</Content></ovf:Envelope>`,
  );
  const path = tar(scratch, "ovirt.ova", ["vm.ovf", "one.raw"]);
  await withContainer(path, (container) =>
    expect(container).toMatchObject({ machine: "ovirt", hints: { cpus: 2, firmware: "uefi" } }),
  );
  await using opened = await openInspection(path);
  expect(opened.facts).toMatchObject({ format: "raw", virtualSize: 4 * MIB });
  expect(opened.facts.notes.join()).toContain("The descriptor says 1073741824 bytes");
  expect(await fingerprintFile(path)).toBe(prints[0]);
});

test("what cannot be taken is refused by name", async () => {
  const text = readFileSync(scratch.path("web.ovf"), "utf8");
  const codeOf = async (descriptor: string) => {
    writeFileSync(scratch.path("odd.ovf"), descriptor);
    return withContainer(tar(scratch, "odd.ova", ["odd.ovf", "one.vmdk", "two.vmdk"]), () => "opened").catch(
      (error: { code?: string }) => error.code,
    );
  };
  expect(await codeOf(text)).toBe("opened");
  expect(await codeOf(text.replace('ovf:fileRef="file1"', 'ovf:fileRef="file1" ovf:parentRef="x"'))).toBe(
    "image.ovf-parent",
  );
  expect(await codeOf(text.replace('fileRef="file2"', 'fileRef="file1"'))).toBe("image.duplicate-entry");
  expect(await codeOf(text.replace('fileRef="file2"', 'fileRef="file9"'))).toBe("image.header-insane");
  expect(await codeOf(text.replace("</Envelope>", ""))).toBe("image.corrupt");
  expect(await codeOf(`<Envelope>${"<a>".repeat(70)}`)).toBe("image.xml-refused");
  expect(await codeOf(`<Envelope>${"<a/>".repeat(200_001)}</Envelope>`)).toBe("image.xml-refused");
  expect(await codeOf(`<Envelope ${"a='' ".repeat(5000)}/>`)).toBe("image.xml-refused");
  expect(await codeOf(`<Envelope>${" ".repeat(5 * MIB)}</Envelope>`)).toBe("image.header-insane");
  expect(await codeOf(`<Envelope>${"&amp;".repeat(50_001)}</Envelope>`)).toBe("image.xml-refused");
  expect(await codeOf(`<Envelope>${`<a ${"a='' ".repeat(3000)}/>`.repeat(70)}</Envelope>`)).toBe("image.xml-refused");
  const laughs = `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>`;
  expect(await codeOf(text.replace("<Envelope", `${laughs}<Envelope`).replace("web01", "&b;"))).toBe(
    "image.xml-refused",
  );
  expect(await codeOf("<Envelope></Envelope>")).toBe("image.no-disks");
});
