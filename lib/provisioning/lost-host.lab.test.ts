/** A real host that goes away in the middle of a transfer, and comes back. */
import { readdirSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startLibvirtd, whyNoLibvirtd, type Libvirtd } from "#e2e/lab/libvirt/libvirtd.ts";
import { auditEntries, hosts, jobs, ledger } from "#lib/db/schema.ts";
import { cancelRequest } from "#lib/services/request/cancel-request.ts";
import { startSweep } from "./sweep.ts";
import { deployBench, until, type Bench } from "./testing.ts";

// Of a machine that is busy with other things.
vi.setConfig({ testTimeout: 300_000 });

const reason = whyNoLibvirtd();

/** The way to the host, with somebody who can cut it. */
class Line {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #cut = false;

  constructor(from: string, to: string) {
    this.#server = createServer((near) => {
      if (this.#cut) {
        near.destroy();
        return;
      }
      const far = createConnection({ path: to });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => this.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    this.#server.listen(from);
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

describe.skipIf(reason !== null)(
  `a real host that goes away in the middle of a transfer${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    let lab: Libvirtd;
    let line: Line;
    let bench: Bench;
    beforeAll(async () => {
      lab = startLibvirtd();
      const socket = join(lab.folder, "line.sock");
      line = new Line(socket, lab.socket);
      bench = await deployBench();
    });
    afterAll(async () => {
      await bench.close();
      line.close();
      lab.stop();
    }, 60_000);

    it("is waited for, cleaned up when it is back, and has the VM in the end", async () => {
      const { services } = bench;
      const name = "lost-host";
      const big = await bench.addImage("big", 48 * 1024 ** 2);
      const host = await bench.addHost("lab-kvm", {
        driver: "kvm",
        connection: { transport: "unix", socket: join(lab.folder, "line.sock") },
      });
      const choice = await bench.choice(host, name, { poolRef: lab.poolName, start: false }, big);
      let stage = "";
      let cutAt: number | null = null;
      bench.interfere.set(name, {
        stage: async (id, state) => void (stage = state === "running" ? id : ""),
        progress({ done, total }) {
          if (stage !== "transfer" || cutAt !== null) return false;
          cutAt = done / total;
          line.cut();
          return false;
        },
      });
      const request = await bench.deploy(choice, big);
      const waiting = await until("the deploy to wait for its host", async () => {
        const [row] = await services.db.select().from(jobs).where(eq(jobs.subjectId, request.id));
        return row?.resumeAt == null ? null : row;
      });
      expect(cutAt, "progress at the cut").toBeLessThan(1);
      expect(waiting).toMatchObject({
        state: "queued",
        error: null,
        waiting: { hostId: host.id, hostName: "lab-kvm" },
      });
      // What is on the host now is what the ledger names.
      const open = await services.db.select().from(ledger).where(eq(ledger.jobId, waiting.id));
      expect(open.map(({ kind, state }) => [kind, state])).toEqual([["disk", "planned"]]);
      const [left] = readdirSync(lab.poolDir);
      expect(open[0]?.ref).toBe(`${lab.poolName}/${left ?? ""}`);

      line.mend();
      const done = await bench.ended(request);
      expect(done.target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true } });
      expect(done.ledger.map(({ kind, state }) => [kind, state])).toEqual([
        ["disk", "removed"],
        ["disk", "kept"],
        ["vm", "kept"],
      ]);
      expect(readdirSync(lab.poolDir)).toHaveLength(1);
      expect(lab.virsh("list", "--all", "--name").trim()).toBe(name);
    });

    it("keeps its debt in the ledger when somebody cancels meanwhile, and pays it when it is back", async () => {
      const { services } = bench;
      const name = "lost-and-cancelled";
      const big = await bench.addImage("bigger", 48 * 1024 ** 2);
      const [host] = await services.db.select().from(hosts).where(eq(hosts.name, "lab-kvm"));
      if (host === undefined) throw new Error("no host");
      const before = readdirSync(lab.poolDir);
      const choice = await bench.choice(host, name, { poolRef: lab.poolName, start: false }, big);
      let stage = "";
      bench.interfere.set(name, {
        stage: async (id, state) => void (stage = state === "running" ? id : ""),
        progress() {
          if (stage === "transfer") line.cut();
          return false;
        },
      });
      const request = await bench.deploy(choice, big);
      await until("the deploy to wait for its host", async () => {
        const [row] = await services.db.select().from(jobs).where(eq(jobs.subjectId, request.id));
        return row?.resumeAt == null ? null : row;
      });
      await cancelRequest(bench.operator, request.id, null);
      const ended = await bench.ended(request);
      expect(ended.target).toMatchObject({ status: "cancelled", error: { code: "job.cancelled" } });
      expect(ended.target.error?.hint).toContain("as soon as the host can be reached again");
      expect(readdirSync(lab.poolDir)).toHaveLength(before.length + 1);
      const sweep = startSweep(services);
      try {
        line.mend();
        await until("the host swept", async () => {
          const [entry] = await services.db.select().from(ledger).where(eq(ledger.jobId, ended.job.id));
          return entry?.state === "removed" ? entry : null;
        });
      } finally {
        await sweep.close();
      }
      expect(readdirSync(lab.poolDir)).toEqual(before);
      const swept = await services.db.select().from(auditEntries).where(eq(auditEntries.action, "ledger.swept"));
      expect(swept).toMatchObject([{ subjectId: host.id, details: { kind: "disk", jobId: ended.job.id } }]);
    });
  },
);
