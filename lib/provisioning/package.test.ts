/** A package of a machine from a person's hands to a host: uploaded over the API, deployed with all its disks. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveApi, bearer, type ServedApi } from "#lib/api/testing-server.ts";
import { imageVersions } from "#lib/db/schema.ts";
import { fingerprintFile } from "#lib/disk/file-conversion.ts";
import { tar, vsphereOvf, writeManifest, xapiRecords } from "#lib/disk/testing/packages.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { ImageDetail, type ImageVersion } from "#lib/domain/image.ts";
import { importFromFolder } from "#lib/services/image/import-image.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import { deployBench, until, type Bench } from "./testing.ts";

const MIB = 1024 ** 2;
let bench: Bench;
let api: ServedApi;
let uploads: Server;
let scratch: Scratch;
let headers: { authorization: string };
/** Of `one.raw` and `two.raw`. */
let prints: string[];

beforeAll(async () => {
  bench = await deployBench();
  api = await serveApi(bench.services);
  headers = await bearer(bench.services, "operator");
  const handler = createUploadHandler(bench.services, { counts: async () => true, everyMs: 60_000 });
  uploads = createServer((request, response) => void handler(request, response, bench.operator));
  await once(uploads.listen(0, "127.0.0.1"), "listening");
  scratch = new Scratch();
  scratch.raw("one.raw", 5 * MIB, [[MIB, 300_000]]);
  scratch.raw("two.raw", 3 * MIB, [[0, 4096]]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", "one.raw", "one.vmdk");
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "two.raw", "two.qcow2");
  prints = await Promise.all(["one.raw", "two.raw"].map((name) => fingerprintFile(scratch.path(name))));
  const disks = [
    { file: "two.qcow2", attributes: `ovf:capacity="${3 * MIB}"` },
    { file: "one.vmdk", attributes: `ovf:capacity="${5 * MIB}"` },
  ];
  writeFileSync(scratch.path("web.ovf"), vsphereOvf(scratch, disks));
  writeManifest(scratch, "web.mf", "sha256", ["web.ovf", "one.vmdk", "two.qcow2"]);
  tar(scratch, "web.ova", ["web.ovf", "one.vmdk", "two.qcow2", "web.mf"]);
});
afterAll(async () => {
  uploads.close();
  await api.close();
  await bench.close();
  scratch[Symbol.dispose]();
});

async function upload(name: string, bytes: Buffer): Promise<ImageVersion> {
  const url = `http://127.0.0.1:${(uploads.address() as AddressInfo).port}/api/v1/uploads`;
  const tus = { "Tus-Resumable": "1.0.0" };
  const made = await fetch(url, {
    method: "POST",
    headers: {
      ...tus,
      "Upload-Length": String(bytes.length),
      "Upload-Metadata": `filename ${Buffer.from(name).toString("base64")}`,
    },
  });
  const sent = await fetch(new URL(made.headers.get("location") ?? "", url), {
    method: "PATCH",
    headers: { ...tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" },
    body: new Uint8Array(bytes),
  });
  expect(sent.status).toBe(204);
  return settled(sent.headers.get("supravisor-image") ?? "");
}

const settled = (imageId: string): Promise<ImageVersion> =>
  until("the analysis", async () => {
    const { json } = await api.ask("GET", `/images/${imageId}`, headers);
    const { latest } = ImageDetail.parse(json);
    return latest.state === "ready" || latest.state === "failed" ? latest : null;
  });

async function imageOf(versionId: string): Promise<{ imageId: string }> {
  const [row] = await bench.services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
  if (row === undefined) throw new Error("no such version");
  return row;
}

test("an OVA of two disks is uploaded, shown with its hardware, and deployed as it was", async () => {
  const version = await upload("web.ova", readFileSync(scratch.path("web.ova")));
  expect(version.error).toBeNull();
  expect(version.hints).toEqual({ cpus: 4, memory: 2048 * MIB, firmware: "uefi", bus: "pvscsi", nic: "vmxnet3" });
  const sha256 = createHash("sha256")
    .update(readFileSync(scratch.path("web.ova")))
    .digest("hex");
  expect(version.disks).toMatchObject([
    {
      entry: "one.vmdk",
      fileName: "web.ova",
      files: ["web.ova"],
      sha256: [sha256],
      format: "vmdk",
      virtualSize: 5 * MIB,
      storedSize: readFileSync(scratch.path("one.vmdk")).length,
      fingerprint: prints[0],
      details: { package: "OVA", machine: "web & db 1", manifest: "the file is as it says" },
    },
    { entry: "two.qcow2", format: "qcow2", fingerprint: prints[1] },
  ]);
  const choice = await bench.choice("vmware", "web-from-ova", {}, version.id);
  expect(choice).toMatchObject({ cpus: 4, memory: 2048 * MIB, firmware: "uefi" });
  const outcome = await bench.ended(await bench.deploy(choice, version.id));
  expect(outcome.target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true } });
  const files = (await bench.files("vmware")).filter((path) => path.includes("web-from-ova"));
  expect(files).toHaveLength(2);
  const found = await Promise.all(files.map((path) => fingerprintFile(path).catch(() => null)));
  expect(found.sort()).toEqual([...prints].sort());

  const { imageId } = await imageOf(version.id);
  const offered = await api.ask("POST", "/transfers", headers, {
    imageId,
    versionId: version.id,
    diskId: version.disks[1]?.id,
    format: "vdi",
  });
  expect(offered.json).toMatchObject({ transfer: { fileName: "web-2.vdi" } });
});

test("an OVA whose manifest is of another file is refused", async () => {
  const bytes = readFileSync(scratch.path("web.ova"));
  const at = bytes.indexOf("# Disk DescriptorFile") + 2;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x20, at);
  const version = await upload("changed.ova", bytes);
  expect(version).toMatchObject({ state: "failed", error: { code: "image.manifest-mismatch" }, disks: [] });
});

test("a descriptor is imported from a folder with all files of its package, an XVA with its blocks", async () => {
  const folder = bench.incoming;
  for (const name of ["web.ovf", "web.mf", "one.vmdk", "two.qcow2"]) {
    writeFileSync(`${folder}/${name}`, readFileSync(scratch.path(name)));
  }
  const loose = await importFromFolder(bench.operator, {
    path: `${folder}/web.ovf`,
    imageId: null,
    name: "loose",
    from: null,
    machine: null,
    configuration: null,
  });
  const version = await settled(loose.imageId);
  expect(version).toMatchObject({
    state: "ready",
    disks: [
      { entry: "one.vmdk", fileName: "web.ovf", fingerprint: prints[0] },
      { entry: "two.qcow2", fingerprint: prints[1] },
    ],
  });
  const [first] = version.disks.filter((disk) => !disk.linked);
  expect([...(first?.files ?? [])].sort()).toEqual(["one.vmdk", "two.qcow2", "web.mf", "web.ovf"]);

  const raw = readFileSync(scratch.path("two.raw"));
  const xva = new Scratch();
  writeFileSync(xva.path("ova.xml"), xapiRecords([{ ref: "Ref4", name: "root", size: raw.length }]));
  const names = [0, 1, 2].map((i) => {
    const name = `Ref4_${i}`;
    writeFileSync(xva.path(name), raw.subarray(i * MIB, (i + 1) * MIB));
    return name;
  });
  tar(xva, "mail.xva", ["--transform=s,^Ref4_,Ref4/0000000,", "ova.xml", ...names], "v7");
  const mail = await upload("mail.xva", readFileSync(xva.path("mail.xva")));
  xva[Symbol.dispose]();
  expect(mail).toMatchObject({
    state: "ready",
    hints: { cpus: 2, bus: "xen", nic: "netfront" },
    disks: [{ entry: "Ref4", format: "raw", variant: "XVA blocks", fingerprint: prints[1] }],
  });
});
