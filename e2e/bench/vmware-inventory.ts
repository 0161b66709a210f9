/**
 * First full inventory of one vCenter with 10,000 VMs, and how soon later changes show, beside govc collecting the same
 * properties. Bar: no slower than govc. `node e2e/bench/vmware-inventory.ts [VMs] [rounds]`
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { govc, startVcsim, vcsimProgram, whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { VM_PATHS } from "#lib/hypervisor/vmware/map-vm.ts";
import { VimClient } from "#lib/hypervisor/vmware/vim-client.ts";
import { readInventory, watchInventory, type Begun } from "#lib/hypervisor/vmware/watch.ts";
import { vmwareDriver } from "#lib/hypervisor/vmware/driver.ts";

const BAR = 1;
const count = Number(process.argv[2] ?? 10_000);
const rounds = Number(process.argv[3] ?? 3);
const reason = whyNoVcsim();
if (reason !== null) throw new Error(reason);
const run = promisify(execFile);
// 4 clusters and 1 host outside of them.
const vcsim = await startVcsim({
  kind: "vpx",
  clusters: 4,
  hosts: 4,
  vms: Math.ceil(count / 5),
  datastores: 2,
  tls: true,
});
const never = new AbortController().signal;
const out = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

/** Peak of this process while the work ran, above what it had before. */
async function watchMemory<T>(work: () => Promise<T>): Promise<{ result: T; grew: number }> {
  const before = process.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  try {
    return { result: await work(), grew: peak - before };
  } finally {
    clearInterval(timer);
  }
}

try {
  const unknown = {
    transport: "https" as const,
    host: "127.0.0.1",
    port: vcsim.port,
    user: vcsim.user,
    certificate: null,
    caCertificate: null,
  };
  const identity = await vmwareDriver.identify(unknown);
  const connection = { ...unknown, certificate: identity?.fingerprint ?? null };
  await using client = await VimClient.open(connection, vcsim);
  const ours: number[] = [];
  const theirs: number[] = [];
  let begun: Begun | null = null;
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    const { result, grew } = await watchMemory(async () => {
      let vms = 0;
      const keep = (next: Begun): void => {
        void begun?.feed[Symbol.asyncDispose]();
        begun = next;
      };
      for await (const item of readInventory(client, keep, never)) if (item.kind === "vm") vms += 1;
      return vms;
    });
    const { user, system } = process.cpuUsage(cpu);
    ours.push(performance.now() - started);
    out(
      `inventory: ${result} VMs in ${seconds(ours.at(-1) ?? 0)}, CPU ${seconds((user + system) / 1000)}, memory grew by ${Math.round(grew / 1024 ** 2)} MiB`,
    );
    const began = performance.now();
    const env = {
      ...process.env,
      GOVC_URL: `https://127.0.0.1:${vcsim.port}/sdk`,
      GOVC_USERNAME: vcsim.user,
      GOVC_PASSWORD: vcsim.password,
      GOVC_INSECURE: "1",
      GOVC_PERSIST_SESSION: "false",
    };
    await run(
      "sh",
      [
        "-c",
        'exec "$0" "$@" >/dev/null',
        vcsimProgram("govc"),
        "object.collect",
        "-json",
        "-type",
        "m",
        "/",
        ...VM_PATHS,
      ],
      { env },
    );
    theirs.push(performance.now() - began);
    out(`govc:      the same properties in ${seconds(theirs.at(-1) ?? 0)}`);
  }
  const stop = new AbortController();
  const told = new Map<string, number>();
  const watching = (async () => {
    for await (const change of watchInventory(client, begun, stop.signal))
      if (change.type === "put" && change.item.kind === "vm" && change.item.state === "running")
        told.set(change.item.name, performance.now());
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const name = "DC0_H0_VM0";
  const asked = performance.now();
  govc(vcsim, ["vm.power", "-on", name]);
  while (!told.has(name) && performance.now() - asked < 60_000) await new Promise((resolve) => setTimeout(resolve, 20));
  out(`a change shows after ${seconds((told.get(name) ?? Number.NaN) - asked)}`);
  stop.abort();
  await watching;
  const ratio = Math.min(...ours) / Math.min(...theirs);
  out(`ratio ${ratio.toFixed(2)} (bar ${BAR})`);
  process.exitCode = ratio <= BAR ? 0 : 1;
} finally {
  await vcsim.stop();
}
