/** The row that people watch: stages, progress and log of one running job, written no oftener than eyes need it. */
import { jobLog, jobs } from "#lib/db/schema.ts";
import type { Job } from "#lib/domain/job.ts";
import type { Services } from "#lib/services/context.ts";
import { ownRow } from "./lease.ts";
import { rateMeter, type ProgressReport } from "./rate.ts";

type StageState = Job["stages"][number]["state"];

const EVENT_MS = 250;
const ROW_MS = 1000;

export interface JobRecord {
  stage(id: string, state: StageState, label?: string): Promise<void>;
  progress(report: ProgressReport): void;
  log(level: "info" | "warn" | "error", text: string): Promise<void>;
  /** Writes what is still waiting. */
  flush(): Promise<void>;
}

export function jobRecord(services: Services, row: typeof jobs.$inferSelect): JobRecord {
  let stages = row.stages;
  let latest: Job["progress"] = row.progress;
  let dirty = false;
  let rowTimer: NodeJS.Timeout | null = null;
  let eventAt = 0;
  let meter = rateMeter();
  const requestId = row.subjectKind === "request" ? row.subjectId : null;
  const changed = (): void => {
    services.events.publish({ type: "job", id: row.id });
    if (requestId !== null) services.events.publish({ type: "request", id: requestId });
  };
  const save = async (): Promise<void> => {
    if (!dirty) return;
    dirty = false;
    await services.db.update(jobs).set({ progress: latest }).where(ownRow(row));
  };
  return {
    async stage(id, state, label) {
      const now = new Date().toISOString();
      const old = stages.find((stage) => stage.id === id);
      const next = {
        id,
        label: label ?? old?.label ?? id,
        state,
        startedAt: state === "running" ? now : (old?.startedAt ?? null),
        finishedAt: state === "done" || state === "failed" ? now : null,
      };
      stages = old === undefined ? [...stages, next] : stages.map((stage) => (stage.id === id ? next : stage));
      if (state === "running") {
        meter = rateMeter();
        latest = null;
        dirty = false;
        await services.db.update(jobs).set({ stages, progress: null }).where(ownRow(row));
      } else {
        await services.db.update(jobs).set({ stages }).where(ownRow(row));
      }
      changed();
    },
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
        save().catch((error: unknown) => services.log.error({ err: error, jobId: row.id }, "progress not saved"));
      }, ROW_MS);
    },
    async log(level, text) {
      await services.db.insert(jobLog).values({ jobId: row.id, level, text });
      changed();
    },
    async flush() {
      if (rowTimer !== null) clearTimeout(rowTimer);
      rowTimer = null;
      await save();
    },
  };
}
