/** Image files that name other files, or promise more than they are. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CANARY, type Bench } from "../bench/bench.ts";

interface HostileFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A header of qcow2 version 3 with what it names. */
function qcow2(options: {
  backing?: string;
  size?: bigint;
  dataFile?: string;
  clusterBits?: number;
  l1Size?: number;
  snapshots?: number;
  external?: boolean;
}): Buffer {
  const file = Buffer.alloc(512 * 1024);
  file.write("QFI\xfb", 0, "latin1");
  file.writeUInt32BE(3, 4);
  const backing = Buffer.from(options.backing ?? "");
  if (backing.length > 0) {
    file.writeBigUInt64BE(1024n, 8);
    file.writeUInt32BE(backing.length, 16);
    backing.copy(file, 1024);
  }
  file.writeUInt32BE(options.clusterBits ?? 16, 20);
  file.writeBigUInt64BE(options.size ?? 65536n, 24);
  file.writeUInt32BE(options.l1Size ?? 1, 36);
  file.writeBigUInt64BE(0x30000n, 40);
  file.writeBigUInt64BE(0x10000n, 48);
  file.writeUInt32BE(1, 56);
  file.writeUInt32BE(options.snapshots ?? 0, 60);
  file.writeUInt32BE(options.external === true ? 4 : 0, 76);
  file.writeUInt32BE(4, 96);
  file.writeUInt32BE(104, 100);
  if (options.dataFile !== undefined) {
    const text = Buffer.from(options.dataFile);
    file.writeUInt32BE(0x44415441, 104);
    file.writeUInt32BE(text.length, 108);
    text.copy(file, 112);
  }
  return file;
}

const descriptor = (extents: string, more = "") =>
  Buffer.from(
    `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=${more === "" ? "ffffffff" : "12345678"}\ncreateType="monolithicFlat"\n${more}\n# Extent description\n${extents}\n\n# The Disk Data Base\nddb.adapterType = "ide"\n`,
  );

/** One entry of a tar, ustar. */
function tarEntry(name: string, body: Uint8Array, type = "0", link = "", size = body.length): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0, 100);
  head.write("0000644\0", 100);
  head.write("0000000\0", 108);
  head.write("0000000\0", 116);
  head.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  head.write("00000000000\0", 136);
  head.write("        ", 148);
  head.write(type, 156);
  head.write(link, 157, 100);
  head.write("ustar\x0000", 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([head, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

const tar = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);

const ovf = (href: string) =>
  Buffer.from(
    `<?xml version="1.0"?><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References><File ovf:href="${href}" ovf:id="f1" ovf:size="4096"/></References><DiskSection><Disk ovf:capacity="4096" ovf:diskId="d1" ovf:fileRef="f1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection><VirtualSystem ovf:id="x"><Name>x</Name><VirtualHardwareSection/></VirtualSystem></Envelope>`,
  );

/** The same places in every kind of file that can name one. `secret` exists and may not be read. */
function hostileFiles(secret: string): HostileFile[] {
  const up = `../../../../../../../../..${secret}`;
  const names = [
    secret,
    up,
    `/proc/self/root${secret}`,
    "/etc/passwd",
    `file://${secret}`,
    `json:{"driver":"file","filename":"${secret}"}`,
    "nbd://127.0.0.1:1/x",
    "http://127.0.0.1:1/x",
    "\u0000",
    `${"a".repeat(900)}`,
  ];
  const tars = (path: string): HostileFile[] => [
    { name: "ova", bytes: tar(tarEntry("x.ovf", ovf(path)), tarEntry("x.vmdk", Buffer.alloc(512))) },
    { name: "ova", bytes: tar(tarEntry("x.ovf", ovf("x.vmdk")), tarEntry("x.vmdk", Buffer.alloc(0), "2", path)) },
    { name: "ova", bytes: tar(tarEntry("x.ovf", ovf("x.vmdk")), tarEntry("x.vmdk", Buffer.alloc(0), "1", path)) },
    { name: "ova", bytes: tar(tarEntry(path.slice(0, 99), ovf("x.vmdk")), tarEntry("x.vmdk", Buffer.alloc(512))) },
  ];
  return names.flatMap((path) => [
    { name: "qcow2", bytes: qcow2({ backing: path }) },
    { name: "qcow2", bytes: qcow2({ dataFile: path, external: true }) },
    { name: "vmdk", bytes: descriptor(`RW 8 FLAT "${path}" 0`) },
    { name: "vmdk", bytes: descriptor(`RW 8 SPARSE "${path}"`) },
    { name: "vmdk", bytes: descriptor(`RW 8 VMFSRDM "${path}" 0`) },
    { name: "vmdk", bytes: descriptor(`RW 8 FLAT "x-flat.vmdk" 0`, `parentFileNameHint="${path}"`) },
    { name: "ovf", bytes: ovf(path) },
    ...tars(path),
  ]);
}

/** Small files that promise to be enormous. */
function bombs(): HostileFile[] {
  const zeros = (megabytes: number) => gzipSync(Buffer.alloc(megabytes * 1024 * 1024), { level: 9 });
  return [
    { name: "raw.gz", bytes: gzipSync(zeros(64)) },
    { name: "qcow2", bytes: qcow2({ size: 2n ** 62n, l1Size: 1 }) },
    { name: "qcow2", bytes: qcow2({ l1Size: 0xffffffff }) },
    { name: "qcow2", bytes: qcow2({ snapshots: 0xffffffff }) },
    { name: "qcow2", bytes: qcow2({ clusterBits: 63 }) },
    { name: "qcow2", bytes: qcow2({ clusterBits: 0 }) },
    {
      name: "ova",
      bytes: tar(tarEntry("x.ovf", ovf("x.vmdk")), tarEntry("x.vmdk", Buffer.alloc(512), "0", "", 2 ** 33 - 1)),
    },
    { name: "ova", bytes: tar(...Array.from({ length: 5000 }, (_, n) => tarEntry(`x${n}.vmdk`, Buffer.alloc(0)))) },
    {
      name: "vmdk",
      bytes: descriptor(Array.from({ length: 5000 }, (_, n) => `RW 9223372036854775807 FLAT "x${n}" 0`).join("\n")),
    },
    { name: "vmdk", bytes: descriptor('RW 8 FLAT "x.vmdk" 0') },
    {
      name: "ovf",
      bytes: Buffer.from(
        `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 9 }, (_, n) => `<!ENTITY a${n} "${`&a${n === 0 ? "" : n - 1};`.repeat(10)}">`).join("")}]><Envelope>&a8;</Envelope>`,
      ),
    },
    { name: "ovf", bytes: Buffer.from("<a>".repeat(100_000)) },
  ];
}

export async function imageFiles(bench: Bench): Promise<void> {
  const row = bench.tally.row("files", "image files that name other files");
  const folder = join(bench.folder, "images");
  mkdirSync(folder, { recursive: true });
  const secret = join(bench.folder, "secret-of-the-server.raw");
  const content = Buffer.alloc(65536, `outside ${CANARY} `);
  writeFileSync(secret, content);
  const files = hostileFiles(secret);
  // Uploaded and from an import folder, where files beside it are in reach.
  await bench.ok("PATCH", "/settings", { as: bench.admin, body: { importFolders: [folder] } });
  symlinkSync(secret, join(folder, "beside-flat.vmdk"));
  const beside: HostileFile[] = [
    { name: "vmdk", bytes: descriptor('RW 128 FLAT "beside-flat.vmdk" 0') },
    { name: "qcow2", bytes: qcow2({ backing: "beside-flat.vmdk" }) },
    { name: "ovf", bytes: ovf("beside-flat.vmdk") },
  ];
  const tried = bench.short ? files.filter((_, n) => n % 23 === 0) : files;
  await inTurn(tried.map((file, n) => () => tryFile(bench, row, file, `${n}`, null, content)));
  await inTurn(
    [...beside, ...(bench.short ? [] : tried.filter((_, n) => n % 2 === 0))].map(
      (file, n) => () => tryFile(bench, row, file, `f${n}`, folder, content),
    ),
  );

  const heavy = bench.tally.row("files", "image files that promise more than they are");
  const before = usedBytes(bench.console.dataDir);
  await inTurn(
    bombs()
      .filter((_, n) => !bench.short || n % 4 === 0)
      .map((file, n) => () => tryFile(bench, heavy, file, `b${n}`, null, content)),
  );
  const grown = usedBytes(bench.console.dataDir) - before;
  heavy.check(grown < 512 * 1024 * 1024, `the data folder grew by ${Math.round(grown / 2 ** 20)} MiB`);
  const health = await bench.api("GET", "/health");
  heavy.check(health.status === 200, `health afterwards: ${health.status}`);
  await bench.ok("PATCH", "/settings", { as: bench.admin, body: { importFolders: [] } });
}

/** Four at a time. */
async function inTurn(work: readonly (() => Promise<void>)[]): Promise<void> {
  for (let at = 0; at < work.length; at += 4) await Promise.all(work.slice(at, at + 4).map((go) => go()));
}

async function tryFile(
  bench: Bench,
  row: { check(ok: boolean, what: string): void },
  file: HostileFile,
  tag: string,
  folder: string | null,
  secret: Buffer,
): Promise<void> {
  const what = `${file.name} ${tag}: ${JSON.stringify(
    Buffer.from(file.bytes.subarray(0, 200))
      .toString("latin1")
      .replaceAll(/[^\x20-\x7e]+/g, " ")
      .slice(0, 100),
  )}`;
  let id: string;
  if (folder === null) {
    const uploaded = await bench
      .upload(bench.operator, `hostile-${tag}.${file.name}`, file.bytes)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (uploaded instanceof Error) {
      row.check(/ 4\d\d /.test(uploaded.message), `${what}: ${uploaded.message.slice(0, 150)}`);
      return;
    }
    id = uploaded;
  } else {
    const path = join(folder, `hostile-${tag}.${file.name}`);
    writeFileSync(path, file.bytes);
    const begun = await bench.api("POST", "/images/import-folder", { as: bench.operator, body: { path } });
    if (begun.status !== 202) {
      row.check(begun.status < 500, `${what}: ${begun.status}`);
      return;
    }
    ({ id } = (begun.json as { image: { id: string } }).image);
  }
  const settled = await bench.settledImage(id).catch(() => null);
  if (settled === null) {
    row.check(false, `${what}: is analysed for ever`);
    return;
  }
  const { latest } = settled;
  row.check(latest.error?.code !== "internal", `${what}: ended as internal`);
  if (latest.state === "ready")
    for (const disk of latest.disks) {
      const original = await bench.api("GET", `/images/${id}/versions/${latest.id}/disks/${disk.id}/file`, {
        as: bench.operator,
      });
      const offer = await bench.api("POST", "/transfers", {
        as: bench.operator,
        body: { imageId: id, versionId: latest.id, diskId: disk.id, format: "raw" },
        showsSecret: true,
      });
      const { transfer, token } = (offer.json ?? {}) as { transfer?: { path: string; length: number }; token?: string };
      const converted =
        transfer === undefined
          ? Buffer.alloc(0)
          : (
              await bench.api("GET", `${transfer.path.replace("/api/v1", "")}?token=${token ?? ""}`, {
                headers: { range: "bytes=0-65535" },
              })
            ).bytes;
      const needle = secret.subarray(0, 48);
      row.check(!original.bytes.includes(needle) && !converted.includes(needle), `${what}: gave out what lies outside`);
      if (transfer !== undefined)
        await bench.api("DELETE", `/transfers/${transfer.path.split("/").at(-2) ?? ""}`, { as: bench.operator });
    }
  else
    row.check(
      latest.error !== null && latest.error.message !== "",
      `${what}: ended as ${latest.state} without a reason`,
    );
  await bench.api("DELETE", `/images/${id}`, { as: bench.admin });
}

function usedBytes(folder: string): number {
  return Number(execFileSync("du", ["-sk", folder], { encoding: "utf8" }).split("\t")[0]) * 1024;
}
