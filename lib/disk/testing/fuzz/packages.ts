/** Packages of machines for the fuzzer, as GNU tar and xva-img make them, and where their headers and descriptors lie. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tar, vsphereOvf, writeManifest, xapiRecords } from "../packages.ts";
import type { Scratch } from "../scratch.ts";

const MIB = 1024 ** 2;

export interface PackageSpecimen {
  readonly name: string;
  readonly bytes: Buffer;
  readonly ranges: readonly (readonly [number, number])[];
}

/** A sparse file in a tar, by the maps of GNU and of pax, and a machine of VMware in a zip. */
function makeArchives(scratch: Scratch): PackageSpecimen[] {
  const found: PackageSpecimen[] = [];
  for (const format of ["oldgnu", "pax"]) {
    execFileSync("tar", ["-S", `--format=${format}`, "-cf", "sparse.tar", "disk.raw"], { cwd: scratch.folder });
    found.push({ name: `${format}.tar`, bytes: readFileSync(scratch.path("sparse.tar")), ranges: [[0, 3072]] });
  }
  writeFileSync(scratch.path("in.vmx"), 'config.version = "8"\nmemsize = "512"\nscsi0:0.fileName = "in.vmdk"\n');
  execFileSync("zip", ["-q", "vmx.zip", "in.vmx", "in.vmdk"], { cwd: scratch.folder });
  const bytes = readFileSync(scratch.path("vmx.zip"));
  const directory = bytes.indexOf("PK\x01\x02");
  found.push({
    name: "vmx.zip",
    bytes,
    ranges: [
      [0, 200],
      [directory, bytes.length - directory],
    ],
  });
  return found;
}

/** `disk.raw` must stand in the folder. */
export function makePackages(scratch: Scratch): PackageSpecimen[] {
  const found: PackageSpecimen[] = [];
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", "disk.raw", "in.vmdk");
  writeFileSync(scratch.path("in.ovf"), vsphereOvf(scratch, [{ file: "in.vmdk", attributes: 'ovf:capacity="3"' }]));
  writeManifest(scratch, "in.mf", "sha1", ["in.vmdk"]);
  for (const format of ["ustar", "pax"]) {
    tar(scratch, "in.ova", ["in.ovf", "in.mf", "in.vmdk"], format);
    const bytes = readFileSync(scratch.path("in.ova"));
    const descriptor = bytes.indexOf("<?xml");
    found.push({
      name: `${format}.ova`,
      bytes,
      ranges: [
        [0, 512],
        [100, 56],
        [descriptor, bytes.indexOf("</Envelope>") - descriptor],
        [bytes.indexOf("SHA1("), 512],
        [bytes.indexOf("KDMV") - 512, 4096],
      ],
    });
  }
  found.push(...makeArchives(scratch));
  mkdirSync(scratch.path("Ref:4"));
  const raw = readFileSync(scratch.path("disk.raw"));
  const names = ["ova.xml"];
  for (let i = 0; i * MIB < raw.length; i++) {
    const name = `Ref:4/${String(i).padStart(8, "0")}`;
    const block = raw.subarray(i * MIB, (i + 1) * MIB);
    writeFileSync(scratch.path(name), block);
    writeFileSync(scratch.path(`${name}.checksum`), createHash("sha1").update(block).digest("hex"));
    names.push(name, `${name}.checksum`);
  }
  writeFileSync(scratch.path("ova.xml"), xapiRecords([{ ref: "Ref:4", name: "root", size: raw.length }]));
  tar(scratch, "in.xva", names, "v7");
  const bytes = readFileSync(scratch.path("in.xva"));
  const blocks = bytes.indexOf("Ref:4/00000000");
  const checksum = bytes.indexOf("Ref:4/00000000.checksum");
  found.push({
    name: "v7.xva",
    bytes,
    ranges: [
      [0, 512],
      [512, blocks - 512],
      [blocks, 512],
      [checksum, 1536],
    ],
  });
  return found;
}
