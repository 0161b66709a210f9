/** A real libvirtd for tests, with a pool and, where the kernel lets it, a network. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Libvirtd {
  readonly socket: string;
  readonly folder: string;
  readonly poolDir: string;
  readonly poolName: string;
  /** Null: the kernel here makes no bridges. */
  readonly networkName: string | null;
  virsh(...args: string[]): string;
  stop(): void;
}

/** Why there can be no libvirtd here, or null. Tests name it and count as skipped. */
export function whyNoLibvirtd(): string | null {
  if (process.getuid?.() !== 0) return "libvirtd needs root";
  for (const program of ["/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "/usr/bin/virsh", "/usr/bin/qemu-system-x86_64"]) {
    if (!existsSync(program)) return `${program} is not installed`;
  }
  return null;
}

export function startLibvirtd(options: { tlsPort?: number } = {}): Libvirtd {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-libvirtd-"));
  // The guests' QEMU runs as another user.
  execFileSync("chmod", ["755", folder]);
  if (options.tlsPort !== undefined) makeCertificates(join(folder, "tls"));
  execFileSync(
    join(import.meta.dirname, "start-libvirtd.sh"),
    [folder, ...(options.tlsPort === undefined ? [] : [String(options.tlsPort)])],
    { stdio: "pipe" },
  );
  const socket = join(folder, "sock", "libvirt-sock");
  const uri = `qemu+unix:///system?socket=${socket}`;
  const virsh = (...args: string[]): string =>
    execFileSync("virsh", ["-q", "-c", uri, ...args], { encoding: "utf8", stdio: "pipe", timeout: 120_000 });
  for (let i = 0; i < 150 && !existsSync(socket); i += 1) execFileSync("sleep", ["0.1"]);
  virsh("version");
  const tag = `t${process.pid}${Math.floor(Math.random() * 1e6)}`;
  const poolDir = join(folder, "pool");
  const poolName = `pool-${tag}`;
  mkdirSync(poolDir);
  virsh("pool-define-as", poolName, "dir", "--target", poolDir);
  virsh("pool-start", poolName);
  const networkName = `net-${tag}`;
  const file = join(folder, "net.xml");
  execFileSync("sh", ["-c", `printf '%s' "<network><name>${networkName}</name></network>" > ${file}`]);
  virsh("net-define", file);
  const started = spawnSync("virsh", ["-q", "-c", uri, "net-start", networkName], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return {
    socket,
    folder,
    poolDir,
    poolName,
    networkName: started.status === 0 ? networkName : null,
    virsh,
    stop() {
      for (const name of virsh("list", "--all", "--name").split("\n").filter(Boolean)) {
        spawnSync("virsh", ["-q", "-c", uri, "destroy", name]);
        spawnSync("virsh", ["-q", "-c", uri, "undefine", "--nvram", name]);
      }
      spawnSync("virsh", ["-q", "-c", uri, "net-destroy", networkName]);
      spawnSync("virsh", ["-q", "-c", uri, "net-undefine", networkName]);
      spawnSync("virsh", ["-q", "-c", uri, "pool-destroy", poolName]);
      spawnSync("virsh", ["-q", "-c", uri, "pool-undefine", poolName]);
      for (const name of ["libvirtd.pid"]) {
        const pid = Number(readFileSync(join(folder, name), "utf8"));
        if (Number.isInteger(pid) && pid > 1) process.kill(pid, "SIGTERM");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A CA, a certificate for 127.0.0.1 and one for a client, all of the day. */
function makeCertificates(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "1",
    "-subj",
    "/CN=Supravisor test CA",
    "-keyout",
    "ca-key.pem",
    "-out",
    "ca-cert.pem",
  );
  for (const [name, subject, extension] of [
    ["server", "/CN=127.0.0.1", "subjectAltName=IP:127.0.0.1"],
    ["client", "/CN=client", "extendedKeyUsage=clientAuth"],
  ] as const) {
    openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      subject,
      "-keyout",
      `${name}-key.pem`,
      "-out",
      `${name}.csr`,
    );
    execFileSync("sh", ["-c", `printf '${extension}\n' > ${name}.ext`], { cwd: folder });
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca-cert.pem",
      "-CAkey",
      "ca-key.pem",
      "-CAcreateserial",
      "-days",
      "1",
      "-extfile",
      `${name}.ext`,
      "-out",
      `${name}-cert.pem`,
    );
  }
}
