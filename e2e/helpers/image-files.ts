/** Small disk images made by qemu-img and the partition tools: what a person would drag into the page. */
import { execFileSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A GPT disk with an EFI system partition and an ext4 root that says it is Debian; 64 MiB, raw. */
export function guestDisk(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.raw`);
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: "pipe" });
  writeFileSync(path, "");
  truncateSync(path, 64 * 1024 * 1024);
  run("sgdisk", "-n1:2048:+16M", "-t1:EF00", "-c1:ESP", "-n2:0:0", "-t2:8300", "-c2:root", path);
  const esp = join(folder, `${name}.esp`);
  writeFileSync(esp, "");
  truncateSync(esp, 16 * 1024 * 1024);
  run("mkfs.vfat", "-n", "ESP", esp);
  const loader = join(folder, "BOOTX64.EFI");
  writeFileSync(loader, Buffer.concat([Buffer.from("MZ"), Buffer.alloc(4094, 7)]));
  run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT");
  run("mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI");
  run("dd", `if=${esp}`, `of=${path}`, "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none");
  const tree = join(folder, `${name}.tree`);
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(
    join(tree, "etc", "os-release"),
    'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n',
  );
  writeFileSync(join(tree, "etc", "payload"), Buffer.alloc(3 * 1024 * 1024, "supravisor "));
  const start = 2048 + 16 * 2048;
  run(
    "mke2fs",
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "root",
    "-E",
    `offset=${start * 512}`,
    "-d",
    tree,
    path,
    `${Math.floor((64 * 2048 - start - 34) / 2)}k`,
  );
  return path;
}

/** The same disk in another format, by qemu-img. */
export function convertWithQemu(
  source: string,
  target: string,
  format: string,
  options: readonly string[] = [],
): string {
  execFileSync(
    "qemu-img",
    ["convert", "-f", "raw", "-O", format, ...options.flatMap((o) => ["-o", o]), source, target],
    { stdio: "pipe" },
  );
  return target;
}

/** True when both hold the same disk; qemu-img's own judgement. */
export function sameDisk(a: { path: string; format: string }, b: { path: string; format: string }): boolean {
  try {
    execFileSync("qemu-img", ["compare", "-f", a.format, "-F", b.format, a.path, b.path], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}
