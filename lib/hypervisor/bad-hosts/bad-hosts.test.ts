/** Hosts that answer slowly, without end or with garbage, through real sockets: what each adapter makes of them, and who waits for it. */
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { generate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { makeHypervDriver } from "../hyperv/driver.ts";
import { makeKvmDriver } from "../kvm/driver.ts";
import type { BadHostData, Misbehaviour } from "./bad-host.ts";
import { makeVmwareDriver } from "../vmware/driver.ts";
import { makeXapiDriver } from "../xapi/driver.ts";

/** What an answer may take here: adapters have a minute and more. */
const PATIENCE = 200;
const TRIES = 3;
const folder = mkdtempSync(join(tmpdir(), "supravisor-bad-hosts-"));
const path = join(folder, "libvirt-sock");
let host: Worker;
let port: number;
let certificate: string;

beforeAll(async () => {
  const { private: key, cert } = await generate([{ name: "commonName", value: "host" }], { keyType: "ec" });
  certificate = createHash("sha256").update(new X509Certificate(cert).raw).digest("hex");
  const data: BadHostData = { key, cert, path };
  host = new Worker(new URL("bad-host.ts", import.meta.url), { workerData: data });
  [port] = (await once(host, "message")) as [number];
});
afterAll(async () => {
  await host.terminate();
  rmSync(folder, { recursive: true, force: true });
});

const https = () =>
  ({ transport: "https", host: "127.0.0.1", port, user: "u", certificate, caCertificate: null }) as const;
const secret = { password: "p" };
const OPENED = {
  vSphere: () => makeVmwareDriver(PATIENCE).open(https(), secret),
  XenAPI: () => makeXapiDriver(PATIENCE, PATIENCE).open(https(), secret),
  "WS-Management": () =>
    makeHypervDriver(PATIENCE, PATIENCE).open(
      { ...https(), auth: "basic", clientCertificate: null, callback: null, files: { by: "winrm" } },
      secret,
    ),
  libvirt: () => makeKvmDriver(PATIENCE).open({ transport: "unix", socket: path }, null),
} as const;

const SILENT = ["host.timeout"];
const BROKEN = ["host.unreachable"];
const WRONG = ["host.protocol", "host.not-xapi"];
/** What may be said of it. Heads that never end are refused for their length, or because they take too long. */
const TOLD: Readonly<Record<Misbehaviour, readonly string[]>> = {
  "says nothing": SILENT,
  "sends its head byte by byte": SILENT,
  "sends its answer byte by byte": SILENT,
  "sends garbage": BROKEN,
  "sends heads without end": [...BROKEN, ...SILENT],
  "sends interim answers without end": [...WRONG, ...SILENT],
  "sends an answer without end": [...WRONG, ...SILENT],
  "sends a chunk that never begins": [...WRONG, ...BROKEN, ...SILENT],
  // Nobody follows: what is asked is for this host alone.
  "sends somewhere else": [...WRONG, ...BROKEN],
};

/** Milliseconds of the work, and of the longest time in which nothing else had a turn. */
async function watched<T>(work: () => Promise<T>): Promise<{ total: number; longest: number; result: T }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // Two turns: the first one only starts the clock.
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.reset();
  const begun = performance.now();
  const result = await work();
  const total = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return { total, longest: delay.max / 1e6, result };
}

/** All at once, and what each of them ends with. */
const ends = () =>
  Promise.all(
    Object.entries(OPENED).map(async ([name, open]) => {
      const end = await open().then(
        () => "opened",
        (error: unknown) => error,
      );
      return [name, end instanceof AppError ? end.code : end] as const;
    }),
  );

describe("each adapter ends by itself, and nobody waits for it", () => {
  it.each(Object.entries(TOLD))("a host that %s", async (how, codes) => {
    host.postMessage(how);
    await once(host, "message");
    // A machine that is busy with other things holds up the loop as well, as it does while nothing is asked: the best counts.
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < TRIES && least > 0.25; run += 1) {
      const idle = await watched(() => new Promise((resolve) => setTimeout(resolve, PATIENCE)));
      const { total, longest, result } = await watched(ends);
      for (const [name, code] of result) expect(codes, name).toContain(code);
      least = Math.min(least, (longest - idle.longest) / Math.max(total, PATIENCE));
    }
    expect(least).toBeLessThan(0.25);
  });
});
