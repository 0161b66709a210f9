/** What must be true after any bad luck: every record agrees with every other one, and nothing lies about on a host. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { until } from "../helpers/api.ts";
import type { Run } from "./scenario.ts";
import { orphans, vmsCalled, type RequestAnswer, type World } from "./world.ts";

/** Each query lists rows that must not be there. */
const DISAGREEMENTS = {
  "no job is left running": "select id, state from jobs where state not in ('succeeded','failed','cancelled')",
  "no target is open whose job has ended": `select t.id, t.status, j.state from request_targets t join jobs j on j.id = t.job_id
    where t.status in ('waiting','running','cancelling') and j.state in ('succeeded','failed','cancelled')`,
  "no target has ended otherwise than its job": `select t.id, t.status, j.state from request_targets t join jobs j on j.id = t.job_id
    where t.status in ('succeeded','failed','cancelled') and t.status <> j.state`,
  "no request is open whose targets have ended": `select r.id, r.status from requests r where r.status in ('approved','running')
    and not exists (select 1 from request_targets t where t.request_id = r.id and t.status in ('waiting','running','cancelling'))`,
  "nothing in the ledger is owed": "select seq, kind, ref, state from ledger where state in ('planned','made')",
  "the queue holds no job that has ended": `select b.id, b.state from pgboss.job b join jobs j on j.id::text = b.data->>'jobId'
    where b.state in ('created','retry','active') and j.state in ('succeeded','failed','cancelled')`,
  "no image is busy whose job has ended": `select v.id, v.state from image_versions v join jobs j on j.id = v.job_id
    where v.state not in ('ready','failed','linked') and j.state in ('succeeded','failed','cancelled')`,
};

type Query = (text: string) => Promise<{ rows: unknown[] }>;

/** Looks at the database itself. The embedded one opens for one process only, so the console is stopped for it. */
export async function inDatabase<T>(world: World, work: (query: Query) => Promise<T>): Promise<T> {
  if (world.databaseUrl !== null) {
    const client = new pg.Client({ connectionString: world.databaseUrl });
    await client.connect();
    try {
      return await work((text) => client.query(text));
    } finally {
      await client.end();
    }
  }
  await world.console().end("SIGTERM");
  const database = new PGlite(join(world.dataDir, "db"));
  try {
    return await work((text) => database.query(text));
  } finally {
    await database.close();
  }
}

/** Waits for the end of all work, then checks. With the embedded database the console is stopped afterwards. */
export async function expectConsistent(run: Run, world: World): Promise<void> {
  await until(
    "all jobs to end",
    () => world.api.ok<{ items: { state: string }[] }>("GET", "/jobs?limit=100"),
    ({ items }) => items.every((job) => ["succeeded", "failed", "cancelled"].includes(job.state)),
    90_000,
  ).catch((error: unknown) => run.expect("all jobs end", false, String(error)));
  // What a host kept from the undo is swept in the background.
  const left = await until(
    "orphans to go",
    async () => orphans(world.dataDir),
    (files) => files.length === 0,
    45_000,
  ).catch(() => orphans(world.dataDir));
  run.expect("no file on a host belongs to nobody", left.length === 0, left);
  const audit = await world.api.ok<{ ok: boolean }>("GET", "/audit/verify");
  run.expect("the audit trail verifies", audit.ok, audit);
  await inDatabase(world, async (query) => {
    for (const [what, text] of Object.entries(DISAGREEMENTS)) {
      const { rows } = await query(text);
      run.expect(what, rows.length === 0, rows);
    }
  });
}

export interface Asked {
  readonly request: RequestAnswer;
  readonly name: string;
  readonly vendor: string;
  /** The library's file that was deployed. */
  readonly source: string;
}

/** One VM per deploy that succeeded and none for the others; every disk equal to its image by a foreign program. */
export function expectDisks(run: Run, world: World, asked: readonly Asked[]): void {
  let compared = 0;
  for (const { request, name, vendor, source } of asked) {
    const vms = vmsCalled(world.dataDir, vendor, name);
    const wanted = request.status === "succeeded" ? 1 : 0;
    if (vms.length !== wanted) run.expect(`${name}: ${wanted} VM`, false, vms);
    for (const disk of vms.flat()) {
      compared += 1;
      try {
        execFileSync("qemu-img", ["compare", source, disk], { stdio: "pipe" });
      } catch (error) {
        run.expect(`${name}: the disk is the image`, false, String(error));
      }
    }
  }
  run.figure("disks compared", compared);
  const succeeded = asked.filter(({ request }) => request.status === "succeeded").length;
  run.figure("deploys", `${succeeded} of ${asked.length} succeeded`);
  run.expect("every disk that arrived was compared", compared >= succeeded, { compared, succeeded });
}
