/**
 * How long the API's answers take while the console converts a disk, beside the same console idle.
 * Prints p50 and p95 of both and their ratio; the bar is a p95 ratio of at most 2.
 * Usage: node e2e/bench/api-latency.ts [GiB of data, 4]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { randomFillSync, randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ADMIN, startConsole } from "../helpers/console.ts";
import { signInByApi, until } from "../helpers/api.ts";

const gib = Number(process.argv[2] ?? 4);

/** Milliseconds of each GET /hosts and /jobs until `stop` says so or `count` are done. */
async function measure(url: string, token: string, count: number, stop: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count && !stop()) {
    for (const path of ["/hosts", "/jobs?state=all", "/images"]) {
      const started = performance.now();
      const response = await fetch(`${url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      times.push(performance.now() - started);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return times.sort((a, b) => a - b);
}

const at = (times: number[], share: number) =>
  times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;

const folder = mkdtempSync(join(tmpdir(), "supravisor-bench-"));
// Before the console is there: making it blocks this process, and the console closes idle connections.
const raw = join(folder, "bench.raw");
const file = openSync(raw, "w");
const block = Buffer.alloc(1024 * 1024);
for (let i = 0; i < gib * 1024; i += 1) {
  randomFillSync(block, 0, 4096);
  writeSync(file, block);
}
truncateSync(raw, (gib + 1) * 1024 ** 3);
const source = join(folder, "bench.qcow2");
execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, source]);
rmSync(raw);
const console_ = await startConsole();
try {
  const api = await signInByApi(console_.url, ADMIN.email, ADMIN.password);
  await api.ok("PATCH", "/settings", { waiveApproval: true, importFolders: [folder] });
  await api.ok("POST", "/hosts/demo", {});
  const { image, jobId } = await api.ok<{ image: { id: string }; jobId: string }>("POST", "/images/import-folder", {
    path: source,
    name: "bench",
  });
  await until(
    "import",
    () => api.ok<{ latest: { state: string } }>("GET", `/images/${image.id}`),
    (i) => i.latest.state === "ready",
    600_000,
  );
  void jobId;
  const version = (await api.ok<{ latest: { id: string } }>("GET", `/images/${image.id}`)).latest.id;
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const idle = await measure(console_.url, api.token, 600, () => false);
  const host = (await api.ok<{ items: { id: string; name: string; vendor: string }[] }>("GET", "/hosts")).items.find(
    (h) => h.vendor === "vmware",
  );
  if (host === undefined) throw new Error("no simulated VMware host");
  const choice = await api.ok("POST", "/preflight/defaults", { imageVersionId: version, hostId: host.id });
  const request = await api.ok<{ id: string }>("POST", "/requests", {
    imageVersionId: version,
    targets: [choice],
    idempotencyKey: randomUUID(),
  });
  let ended = false;
  const wait = until(
    "deploy",
    () => api.ok<{ status: string }>("GET", `/requests/${request.id}`),
    (r) => !["approved", "running", "pending"].includes(r.status),
    900_000,
  ).then((r) => {
    ended = true;
    return r;
  });
  const busy = await measure(console_.url, api.token, 1_000_000, () => ended);
  const outcome = await wait;
  process.stdout.write(`deploy: ${outcome.status}, ${gib} GiB\n`);
  for (const [name, times] of [
    ["idle", idle],
    ["converting", busy],
  ] as const) {
    process.stdout.write(
      `${name.padEnd(11)} ${String(times.length).padStart(6)} answers  p50 ${at(times, 0.5).toFixed(1)} ms  p95 ${at(times, 0.95).toFixed(1)} ms\n`,
    );
  }
  process.stdout.write(`p95 ratio ${(at(busy, 0.95) / at(idle, 0.95)).toFixed(2)} (bar: 2)\n`);
} finally {
  await console_.stop();
  rmSync(folder, { recursive: true, force: true });
}
