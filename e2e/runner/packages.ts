/** Debian packages that the tests' real peers come from. Installed when missing; without the right to do so the tests say what they could not have. */
import { spawnSync } from "node:child_process";

const PACKAGES = [
  "qemu-utils",
  "xz-utils",
  "zstd",
  "zip",
  "7zip",
  "bzip2",
  "lz4",
  "xva-img",
  "qemu-system-x86",
  "ovmf",
  "libvirt-daemon-system",
  "libvirt-clients",
  "libvirt-daemon-driver-qemu",
  "openssh-server",
  "openssh-client",
  "fish",
  "tcsh",
  "zsh",
  "openssl",
  "curl",
  "libnbd-bin",
  "libdeflate0",
  "busybox-static",
  "kmod",
  "e2fsprogs",
  "xfsprogs",
  "gdisk",
  "mtools",
  "dosfstools",
  "grub-common",
  "grub-pc-bin",
  "grub-efi-amd64-bin",
  "cpio",
  "python3",
  "python3-os-xenapi",
  "fence-agents",
  "debootstrap",
  "python3-libvhdi",
  "postgresql",
  "python3-winrm",
  "python3-requests-kerberos",
  "python3-gssapi",
  "krb5-kdc",
  "krb5-admin-server",
  "krb5-user",
  "winrmcp",
  "wsl",
  "uuid-runtime",
  "xsltproc",
  "libxml2-utils",
  "chromium",
  "golang-go",
  "golang-github-vmware-govmomi-dev",
  "golang-github-google-uuid-dev",
  "golang-github-kr-pretty-dev",
  "golang-github-a8m-tree-dev",
  "golang-github-davecgh-go-xdr-dev",
  "python3-pyvmomi",
] as const;

function missing(): string[] {
  return PACKAGES.filter((name) => {
    const query = spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Status}", name], { encoding: "utf8" });
    return query.status !== 0 || query.stdout.trim() !== "installed";
  });
}

/** Answers with what is still missing afterwards. */
export function installPackages(): string[] {
  const wanted = missing();
  if (wanted.length === 0) return [];
  const root = process.getuid?.() === 0;
  const apt = (...args: string[]) =>
    spawnSync(root ? "apt-get" : "sudo", root ? args : ["-n", "apt-get", ...args], {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  process.stdout.write(`Installing from Debian: ${wanted.join(" ")}\n`);
  apt("update", "-q");
  apt("install", "-y", "-q", "--no-install-recommends", ...wanted);
  return missing();
}
