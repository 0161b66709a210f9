/** MIT's key distribution centre with a realm of its own, unprivileged, in a folder that goes with it. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const PROGRAMS = ["/usr/sbin/krb5kdc", "/usr/sbin/kdb5_util", "/usr/sbin/kadmin.local"];
const PYTHON = "/usr/lib/python3/dist-packages/gssapi/__init__.py";

export function whyNoKdc(): string | null {
  const missing = [...PROGRAMS, PYTHON].find((path) => !existsSync(path));
  return missing === undefined ? null : `${missing} is not installed`;
}

export interface Kdc {
  readonly realm: string;
  readonly user: string;
  readonly password: string;
  readonly folder: string;
  /** KRB5_CONFIG of whoever is in the realm. */
  readonly config: string;
  /** Keys of the service HTTP on localhost. */
  readonly serviceKeys: string;
  /** Keys of the user. */
  readonly userKeys: string;
  admin(query: string): string;
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

export async function startKdc(): Promise<Kdc> {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-kdc-"));
  const realm = "LAB.EXAMPLE";
  const [user, password] = ["operator", "Pferd-Batterie-7"];
  const port = await freePort();
  const config = join(folder, "krb5.conf");
  writeFileSync(
    config,
    `[libdefaults]
default_realm = ${realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
${realm} = {
  kdc = 127.0.0.1:${port}
}
[domain_realm]
localhost = ${realm}
`,
  );
  const profile = join(folder, "kdc.conf");
  writeFileSync(
    profile,
    `[kdcdefaults]
kdc_listen = 127.0.0.1:${port}
kdc_tcp_listen = 127.0.0.1:${port}
[realms]
${realm} = {
  database_name = ${join(folder, "principal")}
  key_stash_file = ${join(folder, "stash")}
  acl_file = ${join(folder, "acl")}
  supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
}
[logging]
kdc = FILE:${join(folder, "kdc.log")}
`,
  );
  const env = { ...process.env, KRB5_CONFIG: config, KRB5_KDC_PROFILE: profile };
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  run("/usr/sbin/kdb5_util", "create", "-s", "-P", "master", "-r", realm);
  const admin = (query: string): string => run("/usr/sbin/kadmin.local", "-r", realm, "-q", query);
  const [serviceKeys, userKeys] = [join(folder, "service.keytab"), join(folder, "user.keytab")];
  admin(`addprinc -pw ${password} ${user}`);
  admin("addprinc -randkey HTTP/localhost");
  admin(`ktadd -k ${serviceKeys} HTTP/localhost`);
  admin(`ktadd -norandkey -k ${userKeys} ${user}`);
  const child = spawn("/usr/sbin/krb5kdc", ["-n", "-r", realm, "-P", join(folder, "pid")], { env, stdio: "ignore" });
  for (let i = 0; !(await answers(port)); i += 1) {
    if (i > 200) throw new Error("krb5kdc does not answer");
    await delay(50);
  }
  return {
    ...{ realm, user, password, folder, config, serviceKeys, userKeys, admin },
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
