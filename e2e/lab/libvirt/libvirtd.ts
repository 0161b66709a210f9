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
  const socket = join(folder, "sock", "libvirt-sock");
  const uri = `qemu+unix:///system?socket=${socket}`;
  const virsh = (...args: string[]): string =>
    execFileSync("virsh", ["-q", "-c", uri, ...args], { encoding: "utf8", stdio: "pipe", timeout: 120_000 });
  startWhenAlone(folder, socket, options.tlsPort);
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
      const pid = Number(readFileSync(join(folder, "libvirtd.pid"), "utf8"));
      if (Number.isInteger(pid) && pid > 1) {
        process.kill(pid, "SIGTERM");
        // The next one can only start when this one has let go.
        sleepUntil(Date.now() + SOCKET_MS, () => !isAlive(pid));
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const TURN_MS = 100_000;
const SOCKET_MS = 15_000;

function sleepUntil(deadline: number, pleased: () => boolean): boolean {
  for (;;) {
    if (pleased()) return true;
    if (Date.now() > deadline) return false;
    execFileSync("sleep", ["0.1"]);
  }
}

/** libvirtd's network driver holds one lock a machine: test files that run side by side take turns. */
function startWhenAlone(folder: string, socket: string, tlsPort: number | undefined): void {
  const log = join(folder, "libvirtd.log");
  const deadline = Date.now() + TURN_MS;
  for (;;) {
    rmSync(log, { force: true });
    execFileSync(
      join(import.meta.dirname, "start-libvirtd.sh"),
      [folder, ...(tlsPort === undefined ? [] : [String(tlsPort)])],
      { stdio: "pipe" },
    );
    const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
    const failed = () => said().includes("Driver state initialization failed");
    sleepUntil(Date.now() + SOCKET_MS, () => existsSync(socket) || failed());
    // The socket is there before the drivers are, and goes again with a daemon that failed.
    if (!failed() && existsSync(socket) && answers(socket) && !failed()) return;
    if (!said().includes("driver.pid") || Date.now() > deadline) throw new Error(`libvirtd did not start: ${said()}`);
    execFileSync("sleep", ["0.5"]);
  }
}

function answers(socket: string): boolean {
  return (
    spawnSync("virsh", ["-q", "-c", `qemu+unix:///system?socket=${socket}`, "version"], { timeout: 60_000 }).status ===
    0
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
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
