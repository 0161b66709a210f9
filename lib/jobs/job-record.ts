/** The row that people watch: stages, progress and log of one running job, written no oftener than eyes need it. */
import { jobLog, jobs } from "#lib/db/schema.ts";
import type { HostWait, Job } from "#lib/domain/job.ts";
import type { Services } from "#lib/services/context.ts";
import { waitedLabel, waitLabel } from "./host-wait.ts";
import { ownRow } from "./lease.ts";
import { patiently } from "./patience.ts";
import { rateMeter, type ProgressReport } from "./rate.ts";

type StageState = Job["stages"][number]["state"];

const EVENT_MS = 250;
const ROW_MS = 1000;
const WAIT = "wait";
/** Their end says nothing of the host, nor of what the job is for. */
const ASIDE: readonly string[] = [WAIT, "clean-up"];

export interface JobRecord {
  stage(id: string, state: StageState, label?: string): Promise<void>;
  progress(report: ProgressReport): void;
  log(level: "info" | "warn" | "error", text: string): Promise<void>;
  /** Writes what is still waiting. */
  flush(): Promise<void>;
  /** What the job waited for, while the host has not shown that it is back. */
  waited(): HostWait | null;
  /** The stages with the one under which people see that it waits, for the write that puts it aside. */
  waitingStages(wait: HostWait): Job["stages"];
  /** That stage is over. */
  waitIsOver(): Promise<void>;
}

export function jobRecord(services: Services, row: typeof jobs.$inferSelect): JobRecord {
  let stages = row.stages;
  let latest: Job["progress"] = row.progress;
  let dirty = false;
  let rowTimer: NodeJS.Timeout | null = null;
  let eventAt = 0;
  let meter = rateMeter();
  let { waiting, crashStage } = row;
  const requestId = row.subjectKind === "request" ? row.subjectId : null;
  const changed = (): void => {
    services.events.publish({ type: "job", id: row.id });
    if (requestId !== null) services.events.publish({ type: "request", id: requestId });
  };
  const write = (values: Partial<typeof jobs.$inferInsert>): Promise<unknown> =>
    patiently(() => services.db.update(jobs).set(values).where(ownRow(row)));
  const save = async (): Promise<void> => {
    if (!dirty) return;
    dirty = false;
    await services.db.update(jobs).set({ progress: latest }).where(ownRow(row));
  };
  const put = (id: string, state: StageState, label?: string): Job["stages"] => {
    const now = new Date().toISOString();
    const old = stages.find((each) => each.id === id);
    const next = {
      id,
      label: label ?? old?.label ?? id,
      state,
      startedAt: state === "running" ? now : (old?.startedAt ?? null),
      finishedAt: state === "done" || state === "failed" ? now : null,
    };
    stages = old === undefined ? [...stages, next] : stages.map((each) => (each.id === id ? next : each));
    return stages;
  };
  const stage = async (id: string, state: StageState, label?: string): Promise<void> => {
    put(id, state, label);
    if (state === "running") {
      meter = rateMeter();
      latest = null;
      dirty = false;
      await write({ stages, progress: null });
    } else {
      const past: Partial<typeof jobs.$inferInsert> = {};
      // The host has answered: whatever happens to it now is another absence.
      if (state === "done" && waiting !== null && !ASIDE.includes(id)) {
        waiting = null;
        past.waiting = null;
      }
      // It has got beyond the place where its workers died.
      if (state === "done" && id === crashStage) {
        crashStage = null;
        past.crashStage = null;
        past.crashes = 0;
      }
      await write({ stages, ...past });
    }
    changed();
  };
  return {
    stage,
    progress(report) {
      latest = meter(report);
      dirty = true;
      const now = Date.now();
      if (now - eventAt >= EVENT_MS || report.done >= report.total) {
        eventAt = now;
        services.events.publish({ type: "job-progress", id: row.id, requestId, progress: latest });
      }
      rowTimer ??= setTimeout(() => {
        rowTimer = null;
        save().catch((error: unknown) => {
          dirty = true;
          services.log.warn({ err: error, jobId: row.id }, "progress not saved");
        });
      }, ROW_MS);
    },
    async log(level, text) {
      await patiently(() => services.db.insert(jobLog).values({ jobId: row.id, level, text }));
      changed();
    },
    async flush() {
      if (rowTimer !== null) clearTimeout(rowTimer);
      rowTimer = null;
      await save();
    },
    waited: () => waiting,
    waitingStages: (wait) => put(WAIT, "running", waitLabel(wait)),
    async waitIsOver() {
      if (waiting !== null && stages.some(({ id, state }) => id === WAIT && state === "running"))
        await stage(WAIT, "done", waitedLabel(waiting));
    },
  };
}
