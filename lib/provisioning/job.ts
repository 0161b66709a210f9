/** Job `deploy`: one target of a request, each step undone by the ledger when a later one fails. */
import { inArray } from "drizzle-orm";
import { hosts } from "#lib/db/schema.ts";
import { AppError, errorFromJson, errorToJson } from "#lib/errors.ts";
import { isLeft, type JobHandler } from "#lib/jobs/handler.ts";
import { HostAway, tellsOfAbsence } from "#lib/jobs/host-wait.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { cleanUp, type CleanUp } from "./clean-up.ts";
import { deploy, type Deployed } from "./deploy.ts";
import { loadTarget, openDeployment, type LoadedTarget } from "./deployment.ts";
import { keepAll } from "./ledger.ts";
import { settleTarget } from "./settle.ts";

/** By id, the name that people know it by; the source last: what is made there is the first. */
type Touched = Map<string, string>;

/** Null: the target had succeeded before. */
export const deployHandler: JobHandler<Deployed | null> = {
  async run(io) {
    const row = await patiently(() => loadTarget(io), { signal: io.signal });
    // The attempt before this one had succeeded and died before it could say so to the queue.
    if (row.target.status === "succeeded") return null;
    const touched = hostsOf(row);
    try {
      return await attempt(io, row, touched);
    } catch (error) {
      // The next attempt cleans up and begins again.
      if (isLeft(io, error)) throw error;
      const { left, absent } = error instanceof StillThere ? error.found : await takeBack(io, touched);
      const cause = error instanceof StillThere ? error.cause : error;
      const away = error instanceof StillThere ? absent : tellsOfAbsence(error) ? error : null;
      if (away !== null && !io.signal.aborted) throw new HostAway(await whoIsAway(io, touched), away);
      if (left.length === 0) throw cause;
      const shown = errorToJson(io.signal.aborted ? io.signal.reason : cause);
      throw new AppError(shown.kind, shown.code, shown.message, { hint: leftBehind(left).message, cause: error });
    }
  },

  async ended(tx, job, end) {
    const targetId = String(job.input["targetId"]);
    if (end.state !== "succeeded") await settleTarget(tx, targetId, { status: end.state, error: end.error });
    else if (end.result !== null) {
      const { receipt, passing } = end.result;
      await keepAll(tx, job.id, passing);
      await settleTarget(tx, targetId, { status: "succeeded", error: null, receipt, vmRef: receipt.vmRef });
    }
    return [{ type: "request", id: job.subjectId }, { type: "audit" }];
  },
};

async function attempt(io: JobIO, row: LoadedTarget, touched: Touched): Promise<Deployed> {
  const { db, events } = io.services;
  const { target } = row;
  await patiently(() => db.transaction((tx) => settleTarget(tx, target.id, { status: "running" })), {
    signal: io.signal,
  });
  events.publish({ type: "request", id: row.request.id });
  if (io.attempt > 1) {
    const found = await takeBack(io, touched);
    if (found.left.length > 0) throw new StillThere(found);
    io.signal.throwIfAborted();
    await io.log(
      "warn",
      "The attempt before this one was broken off: what it made is removed, and the work begins again.",
    );
  }
  io.signal.throwIfAborted();
  // The job is late: its target has ended another way.
  if (target.status === "failed" || target.status === "cancelled")
    throw errorFromJson(
      target.error ?? { kind: "cancelled", code: "job.cancelled", message: "The job was cancelled." },
    );
  const deployment = await patiently(() => openDeployment(io, row), { signal: io.signal });
  touched.set(target.hostId, deployment.hostName);
  if (deployment.source !== null) touched.set(deployment.source.hostId, deployment.source.hostName);
  return deploy(deployment);
}

function hostsOf({ request, target }: LoadedTarget): Touched {
  const { source, targets } = request.plan;
  const touched: Touched = new Map([[target.hostId, targets[target.position]?.hostName ?? "the host"]]);
  if (source !== undefined && !touched.has(source.hostId)) touched.set(source.hostId, source.hostName);
  return touched;
}

async function takeBack(io: JobIO, touched: Touched): Promise<CleanUp> {
  const left: string[] = [];
  let absent: AppError | null = null;
  for (const [hostId, hostName] of touched) {
    const one = await cleanUp(io, hostId, hostName);
    left.push(...one.left);
    absent ??= one.absent;
  }
  if (left.length > 0) await io.stage("clean-up", "failed");
  return { left, absent };
}

/** The one that its session has lost; while none has, the one that the VM is for. */
async function whoIsAway(io: JobIO, touched: Touched): Promise<{ id: string; name: string }> {
  const rows = await patiently(() =>
    io.services.db
      .select({ id: hosts.id, state: hosts.state })
      .from(hosts)
      .where(inArray(hosts.id, [...touched.keys()])),
  );
  const [target] = touched.keys();
  const id = rows.find(({ state }) => state === "offline")?.id ?? target ?? "";
  return { id, name: touched.get(id) ?? "the host" };
}

function leftBehind(left: readonly string[]): AppError {
  return new AppError(
    "unavailable",
    "host.left-behind",
    `Still there: ${left.join("; ")}. It is removed as soon as the host can be reached again.`,
  );
}

/** What an earlier attempt made is still there: nothing may be made beside it. */
class StillThere extends Error {
  readonly found: CleanUp;
  override readonly cause: AppError;

  constructor(found: CleanUp) {
    const cause = leftBehind(found.left);
    super(cause.message);
    this.found = found;
    this.cause = cause;
  }
}
