/** The independent readers of what we write: qemu-img, libvhdi, and GNU tar with sha256sum and xva-img. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { readByLibvhdi } from "../libvhdi.ts";
import type { WritableRow } from "./row.ts";

const DRIVER = { raw: "raw", qcow2: "qcow2", vmdk: "vmdk", vhd: "vpc", vhdx: "vhdx", vdi: "vdi" } as const;
const run = promisify(execFile);

/** A file of ours in a folder where nothing else is done meanwhile. */
export interface Suspect {
  readonly folder: string;
  readonly name: string;
  /** The raw disk that it should be. */
  readonly truth: string;
  /** Bytes. */
  readonly size: number;
}

/** Throws with the reader's words when it finds another disk, another size or a fault. */
export async function judge(row: WritableRow, suspect: Suspect): Promise<void> {
  const { folder, name, truth, size } = suspect;
  if (row.compress !== undefined) {
    await runIn(folder, "zstd", "-dqf", name, "-o", "unpacked.img");
    const { compress: _, ...inner } = row;
    return judge(inner, { ...suspect, name: "unpacked.img" });
  }
  if (row.to === "ova") return judgeOva(row, suspect);
  if (row.to === "xva") return judgeXva(suspect);
  if (row.reader === "libvhdi") {
    readByLibvhdi(folder, "libvhdi.raw", [name]);
    return same(folder, truth, "raw", "libvhdi.raw");
  }
  const driver = DRIVER[row.to];
  await same(folder, truth, driver, name);
  const { stdout } = await runIn(folder, "qemu-img", "info", "--output=json", "-f", driver, name);
  const told = (JSON.parse(stdout) as { "virtual-size": number })["virtual-size"];
  if (told !== size) throw new Error(`qemu-img finds ${told} bytes, not ${size}`);
  if (row.check === true) await runIn(folder, "qemu-img", "check", "-f", driver, name);
}

function runIn(folder: string, program: string, ...args: readonly string[]) {
  return run(program, args, { cwd: folder, timeout: 60_000 });
}

async function same(folder: string, truth: string, driver: string, name: string): Promise<void> {
  await runIn(folder, "qemu-img", "compare", "-f", "raw", "-F", driver, truth, name);
}

async function unpack({ folder, name }: Suspect): Promise<string> {
  const inside = join(folder, "unpacked");
  mkdirSync(inside);
  await runIn(inside, "tar", "-xf", join("..", name));
  return inside;
}

async function judgeOva({ options }: WritableRow, suspect: Suspect): Promise<void> {
  const inside = await unpack(suspect);
  const names = readdirSync(inside);
  const disks = names.filter((name) => name.endsWith(".vmdk"));
  const [disk] = disks;
  if (disk === undefined || disks.length !== 1) throw new Error(`an OVA with ${names.join(", ")}`);
  await same(inside, suspect.truth, "vmdk", disk);
  await runIn(inside, "qemu-img", "check", "-f", "vmdk", disk);
  const manifest = names.find((name) => name.endsWith(".mf"));
  if ((manifest === undefined) !== (options["manifest"] === "none")) throw new Error(`an OVA with ${names.join(", ")}`);
  if (manifest === undefined) return;
  // coreutils read OpenSSL's form of a digest, which this is.
  await runIn(inside, options["manifest"] === "sha1" ? "sha1sum" : "sha256sum", "--strict", "-c", manifest);
  const promised = readFileSync(join(inside, manifest), "utf8").trim().split("\n").length;
  if (promised !== names.length - 1) throw new Error(`the manifest has ${promised} of ${names.length - 1} files`);
}

async function judgeXva(suspect: Suspect): Promise<void> {
  const inside = await unpack(suspect);
  const disk = readdirSync(inside).find((name) => name.startsWith("Ref:"));
  if (disk === undefined) throw new Error("an XVA without a disk");
  // xva-img knows only SHA-1, and wants it.
  for (const name of readdirSync(join(inside, disk)).filter((each) => each.endsWith(".xxhash"))) {
    const block = join(inside, disk, name.slice(0, -".xxhash".length));
    writeFileSync(`${block}.checksum`, createHash("sha1").update(readFileSync(block)).digest("hex"));
  }
  await runIn(inside, "xva-img", "disk-export", disk, "back.raw");
  await same(inside, suspect.truth, "raw", "back.raw");
}
