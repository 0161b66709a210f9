/** Trying a connection: who may make the console connect, and to what. */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench/bench.ts";
import { listen } from "./listener.ts";

const PIN = "a".repeat(64);
const KEY = `SHA256:${"A".repeat(43)}`;

/** A target of each driver and transport that leads to this port. */
function targets(port: number, socket: string): { name: string; target: unknown }[] {
  const host = "127.0.0.1";
  const https = { transport: "https", host, port, user: "u", certificate: null };
  return [
    { name: "kvm ssh", target: { driver: "kvm", connection: { transport: "ssh", host, port, user: "u" } } },
    {
      name: "kvm ssh, pinned",
      target: { driver: "kvm", connection: { transport: "ssh", host, port, user: "u", hostKey: KEY } },
    },
    { name: "kvm tls", target: { driver: "kvm", connection: { transport: "tls", host, port, certificate: PIN } } },
    { name: "kvm unix", target: { driver: "kvm", connection: { transport: "unix", socket } } },
    { name: "xen unix", target: { driver: "xen", connection: { transport: "unix", socket } } },
    { name: "vmware", target: { driver: "vmware", connection: https } },
    { name: "vmware, pinned", target: { driver: "vmware", connection: { ...https, certificate: PIN } } },
    { name: "xapi", target: { driver: "xapi", connection: https } },
    { name: "hyperv https", target: { driver: "hyperv", connection: { ...https, auth: "ntlm" } } },
    { name: "hyperv http", target: { driver: "hyperv", connection: { transport: "http", host, port, user: "u" } } },
    {
      name: "hyperv sftp",
      target: {
        driver: "hyperv",
        connection: { transport: "http", host, port, user: "u", files: { by: "sftp", port, user: "u" } },
      },
    },
    {
      name: "virtualbox ssh",
      target: { driver: "virtualbox", connection: { transport: "ssh", host, port, user: "u" } },
    },
  ];
}

export async function hostTests(bench: Bench): Promise<void> {
  const row = bench.tally.row("network", "connections by those who may not add hosts");
  const socket = join(bench.folder, "listener.sock");
  const tcp = await listen("127.0.0.1", (peer) => peer.destroy());
  const people = [bench.operator, bench.requester, bench.auditor];
  for (const { name, target } of targets(tcp.port, socket))
    for (const person of people)
      for (const [method, path] of [
        ["POST", "/hosts/test"],
        ["POST", "/hosts"],
      ] as const) {
        const before = tcp.count();
        const answer = await bench.api(method, path, {
          as: person,
          body: { name: `t ${name}`, target, secret: { password: "p" } },
        });
        row.check(
          answer.status === 403 && tcp.count() === before,
          `${path} ${name} by ${person.role}: ${answer.status}${tcp.count() > before ? ", and it connected" : ""}`,
        );
      }
  await tcp.close();
}

/** A file called VBoxManage in a place that people can write to is not a program of the console's. */
export async function ownPrograms(bench: Bench): Promise<void> {
  const row = bench.tally.row("network", "programs named by a request that were run");
  const folder = join(bench.folder, "import");
  mkdirSync(folder, { recursive: true });
  const mark = join(bench.folder, "executed");
  const script = `#!/bin/sh\nenv > '${mark}'\nexit 1\n`;
  const places = [
    "VBoxManage",
    "x/VBoxManage",
    "VBoxManage.exe",
    "vboxmanage",
    "a b/VBoxManage",
    "$(id)/VBoxManage",
  ].map((name) => join(folder, name));
  for (const place of places) {
    mkdirSync(join(place, ".."), { recursive: true });
    writeFileSync(place, script);
    chmodSync(place, 0o755);
  }
  const spelled = [
    ...places,
    join(folder, "x", "..", "VBoxManage"),
    `/proc/self/root${places[0]!}`,
    `/usr/bin/../..${places[0]!}`,
  ];
  const people = [bench.admin, bench.operator, bench.requester, bench.auditor];
  for (const program of bench.short ? spelled.filter((_, n) => n % 4 === 0) : spelled)
    for (const person of bench.short ? people.slice(0, 2) : people)
      for (const path of ["/hosts/test", "/hosts"]) {
        rmSync(mark, { force: true });
        const answer = await bench.api("POST", path, {
          as: person,
          body: {
            name: `vb ${Math.random()}`,
            target: { driver: "virtualbox", connection: { transport: "local", program } },
          },
        });
        if (answer.status === 201) {
          // A host that was taken is opened a moment later.
          await new Promise((resolve) => setTimeout(resolve, 1500));
          await bench.api("DELETE", `/hosts/${(answer.json as { id: string }).id}`, { as: bench.admin });
        }
        row.check(!existsSync(mark), `${program} by ${path} of ${person.role}: ${answer.status}, and it ran`);
      }
}
