/** A real host that goes away in the middle of an upload, and comes back. */
import { readdirSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLibvirtd, whyNoLibvirtd, type Libvirtd } from "#e2e/lab/libvirt/libvirtd.ts";
import { auditEntries, ledger } from "#lib/db/schema.ts";
import { approveRequest } from "#lib/services/request/decide-request.ts";
import { retryRequest } from "#lib/services/request/retry-request.ts";
import { startSweep } from "./sweep.ts";
import { deployBench, until, type Bench } from "./testing.ts";

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
  `a real host that dies in the middle of an upload${reason === null ? "" : ` (skipped: ${reason})`}`,
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

    it("ends with a clear error, is cleaned up when the host is back, and can be asked for again", async () => {
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
      const failed = await bench.ended(await bench.deploy(choice, big));
      expect(cutAt, "progress at the cut").toBeLessThan(1);
      expect(failed.target).toMatchObject({ status: "failed", vmRef: null, error: { code: "host.unreachable" } });
      expect(failed.target.error?.hint).toContain("as soon as the host can be reached again");
      // What is on the host now is what the ledger names, and the person was told of it.
      expect(failed.ledger.map(({ kind, state }) => [kind, state])).toEqual([["disk", "planned"]]);
      const [left] = readdirSync(lab.poolDir);
      expect(failed.ledger[0]?.ref).toBe(`${lab.poolName}/${left ?? ""}`);
      expect(failed.target.error?.hint).toContain(left);

      const sweep = startSweep(services);
      try {
        line.mend();
        await until("the host swept", async () => {
          const [entry] = await services.db.select().from(ledger).where(eq(ledger.jobId, failed.job.id));
          return entry?.state === "removed" ? entry : null;
        });
      } finally {
        await sweep.close();
      }
      expect(readdirSync(lab.poolDir)).toEqual([]);
      expect(lab.virsh("vol-list", lab.poolName).trim()).toBe("");
      const swept = await services.db.select().from(auditEntries).where(eq(auditEntries.action, "ledger.swept"));
      expect(swept).toMatchObject([{ subjectId: host.id, details: { kind: "disk", jobId: failed.job.id } }]);

      const again = await retryRequest(bench.requester, failed.request.id);
      await approveRequest(bench.operator, again.id, { planHash: again.planHash, reason: "" });
      const done = await bench.ended(again);
      expect(done.target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true } });
      expect(readdirSync(lab.poolDir)).toHaveLength(1);
      expect(lab.virsh("list", "--all", "--name").trim()).toBe(name);
    });
  },
);
