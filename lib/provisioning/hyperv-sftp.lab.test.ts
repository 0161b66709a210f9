/** The whole way onto a Hyper-V host and back by SFTP: request, approval, job, receipt, capture; no program is run on it. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DISKS } from "#e2e/lab/hyperv/seed.ts";
import { type HypervWithSsh, startHypervWithSsh, whyNoHypervSsh } from "#e2e/lab/hyperv/sshd.ts";
import { hosts, imageDisks, imageVersions } from "#lib/db/schema.ts";
import { HostConnection } from "#lib/domain/connection.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { deployBench, until, type Bench } from "./testing.ts";

const reason = whyNoHypervSsh();

describe.skipIf(reason !== null)(`a deploy by SFTP${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: HypervWithSsh;
  let bench: Bench;
  beforeAll(async () => {
    [lab, bench] = await Promise.all([startHypervWithSsh(), deployBench()]);
  });
  afterAll(async () => {
    await bench.close();
    await lab[Symbol.asyncDispose]();
  });

  it("arrives bit for bit, runs, and is captured while it runs", async () => {
    const { host: simulated, sshd } = lab;
    const target = HostConnection.parse({
      driver: "hyperv",
      connection: {
        transport: "http",
        host: "127.0.0.1",
        port: simulated.httpPort,
        user: simulated.user,
        files: { by: "sftp", port: sshd.port, user: "root", hostKey: sshd.hostKey },
      },
    });
    const administrator = await testPerson(bench.services, "administrator");
    const secret = { password: simulated.password, privateKey: sshd.clientKey };
    const host = await addHost(administrator, { name: "hv-sftp", target, secret });
    await until("the host online", async () => {
      const [row] = await bench.services.db.select().from(hosts).where(eq(hosts.id, host.id));
      return row?.state === "online" ? row : null;
    });
    const choice = await bench.choice(host, "web 01", { poolRef: "D:", start: true });
    const done = await bench.ended(await bench.deploy(choice));
    expect(done.target.error).toBeNull();
    expect(done.target.receipt).toMatchObject({ equal: true, format: "vhdx" });
    const file = simulated.jail.local(done.target.receipt?.diskRef ?? "") ?? "";
    const golden = bench.golden;
    execFileSync("qemu-img", ["compare", "-q", "-f", "raw", "-F", "vhdx", golden, file]);

    const vmRef = done.target.receipt?.vmRef ?? "";
    const started = await until("the VM's row", async () => {
      try {
        return await captureVm(bench.operator, { hostId: host.id, vmRef, imageId: null, name: "back", from: null });
      } catch {
        return null;
      }
    });
    const [version] = await until("the captured version", async () => {
      const rows = await bench.services.db.select().from(imageVersions).where(eq(imageVersions.id, started.versionId));
      if (rows[0]?.state === "failed") throw new Error(JSON.stringify(rows[0].error));
      return rows[0]?.state === "ready" ? rows : null;
    });
    const disks = await bench.services.db.select().from(imageDisks).where(eq(imageDisks.versionId, started.versionId));
    expect(version?.error).toBeNull();
    expect(disks.map(({ fingerprint }) => fingerprint)).toEqual([done.target.receipt?.imageFingerprint]);
    expect(simulated.programs.ran).toEqual([]);
    expect(readdirSync(simulated.jail.local(DISKS) ?? "")).toEqual([file.slice(file.lastIndexOf("/") + 1)]);
  });
});
