/**
 * A disk into vSphere beside the same disk written as a streamOptimized VMDK into nothing. The host is a process of its
 * own that throws the disk away, behind TLS. Real hosts compute elsewhere, so it gets the last processor to itself, and
 * both runs share the others. Bar: at least 0.8 of the engine's speed. With `shared` the host takes from all of them.
 * `node e2e/bench/nfc-upload.ts [MiB] [rounds] [shared]`
 */
import { execFileSync, spawn } from "node:child_process";
import { randomFillSync, randomUUID } from "node:crypto";
import { mkdtempSync, openSync, rmSync, writeSync, closeSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { convertDisk } from "#lib/disk/convert.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import type { ByteSink } from "#lib/disk/io.ts";
import { openImage } from "#lib/disk/registry.ts";
import { fillDisk } from "#lib/hypervisor/fill-disk.ts";
import { vmwareDriver } from "#lib/hypervisor/vmware/driver.ts";
import { specOf } from "#lib/hypervisor/vmware/testing-disk.ts";

const BAR = 0.8;
const MiB = 1024 ** 2;
const size = Number(process.argv[2] ?? 512) * MiB;
const rounds = Number(process.argv[3] ?? 3);
const last = availableParallelism() - 1;
const apart = process.argv[4] !== "shared" && last > 0;
const options = { subformat: "streamOptimized" };
const out = (line: string) => process.stdout.write(`${line}\n`);

const folder = mkdtempSync(join(tmpdir(), "supravisor-bench-"));
const path = join(folder, "disk.raw");
const file = openSync(path, "w");
const block = Buffer.alloc(MiB);
for (let at = 0; at < size; at += MiB) {
  // Half of it packs well, as disks of systems do.
  block.fill("all work and no play makes a dull disk ");
  randomFillSync(block, 0, MiB / 2);
  writeSync(file, block);
}
closeSync(file);

const host = spawn(process.execPath, [join(import.meta.dirname, "../lab/vmware/serve.ts"), "vpx", "drop"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const Address = z.object({ port: z.number(), user: z.string(), password: z.string(), certificate: z.string() });

async function address(): Promise<z.infer<typeof Address>> {
  for await (const line of createInterface({ input: host.stdout })) return Address.parse(JSON.parse(line));
  throw new Error("the host did not start");
}

function nowhere(): ByteSink {
  return {
    seekable: false,
    write: async () => undefined,
    commit: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Later threads of a process stay where it is. */
function pin(pid: number | undefined, processors: string): void {
  execFileSync("taskset", ["-a", "-p", "-c", processors, String(pid)], { stdio: "ignore" });
}

/** Bytes of disk a second, and the processor's seconds in this process. */
async function timed(work: () => Promise<unknown>): Promise<{ speed: number; cpu: number }> {
  const began = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { speed: size / ((performance.now() - began) / 1000), cpu: (user + system) / 1e6 };
}

try {
  const { port, user, password, certificate } = await address();
  if (apart) {
    pin(host.pid, String(last));
    pin(process.pid, `0-${last - 1}`);
  }
  const connection = { transport: "https" as const, host: "127.0.0.1", port, user, certificate, caCertificate: null };
  await using adapter = await vmwareDriver.open(connection, { password });
  let pool = "";
  for await (const item of adapter.inventory()) if (item.kind === "pool" && item.writable) pool = item.ref;
  await using image = await openImageFile(path);
  await using opened = await openImage(image, { from: "raw" });
  const { disk } = opened;
  const engine: number[] = [];
  const upload: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const alone = await timed(() => convertDisk({ disk, to: "vmdk", options, sink: nowhere() }));
    const created = await adapter.createDisk(specOf(pool, `bench-${randomUUID().slice(0, 8)}`, size));
    const sent = await timed(() => fillDisk(created, { disk, to: "vmdk", options }));
    await adapter.remove(created.resource);
    engine.push(alone.speed);
    upload.push(sent.speed);
    const words = ({ speed, cpu }: typeof alone) => `${Math.round(speed / MiB)} MiB/s, CPU ${cpu.toFixed(2)} s`;
    out(`engine ${words(alone)}; upload ${words(sent)}`);
  }
  const ratio = Math.max(...upload) / Math.max(...engine);
  out(`ratio ${ratio.toFixed(2)} (bar ${BAR}), the host ${apart ? "on a processor of its own" : "on the same ones"}`);
  process.exitCode = ratio >= BAR ? 0 : 1;
} finally {
  host.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
