/** Long work that a worker does: shown in the task drawer and on its own page. */
import { z } from "zod";
import { ErrorView } from "./host.ts";
import { Progress, Stage } from "./request.ts";

export const JOB_KINDS = ["deploy", "image.analyse", "image.import", "image.capture"] as const;
export const JobKind = z.enum(JOB_KINDS);
export type JobKind = z.infer<typeof JobKind>;

export const JobState = z.enum(["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]);
export type JobState = z.infer<typeof JobState>;

export const ENDED_JOB_STATES = ["succeeded", "failed", "cancelled"] as const satisfies readonly JobState[];
export const ACTIVE_JOB_STATES = ["queued", "running", "cancelling"] as const satisfies readonly JobState[];

export function isEnded(state: JobState): boolean {
  return ENDED_JOB_STATES.some((ended) => ended === state);
}

/** Null: it can be cancelled. The service takes being asked twice for once; a page has nothing to ask for then. */
export function whyNotCancelJob(state: JobState): string | null {
  if (state === "cancelling") return "It is being cancelled.";
  return isEnded(state) ? "It has ended already." : null;
}

export const JobStage = Stage.extend({ id: z.string() });

/** What a job waits for. It goes on by itself; after `until` it fails. */
export const HostWait = z.object({
  hostId: z.uuid(),
  hostName: z.string(),
  /** ISO 8601, by the database's clock. */
  since: z.string(),
  until: z.string(),
  /** What the host, or the way to it, said last. */
  reason: z.string(),
  /** Times that the work was begun again in vain since. */
  tries: z.number().int().nonnegative(),
});
export type HostWait = z.infer<typeof HostWait>;

export const Job = z.object({
  id: z.uuid(),
  kind: JobKind,
  /** "Deploy web-golden v3 to kvm-1 as web-07" */
  title: z.string(),
  state: JobState,
  stages: z.array(JobStage),
  progress: Progress.nullable(),
  error: ErrorView.nullable(),
  /** Null: it waits for no host. */
  waiting: HostWait.nullable(),
  /** What the job is about, for links. */
  subject: z.object({ kind: z.enum(["request", "image", "vm"]), id: z.string() }),
  attempt: z.number().int(),
  worker: z.string().nullable(),
  createdBy: z.string(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

export const JobLogLine = z.object({ at: z.string(), level: z.enum(["info", "warn", "error"]), text: z.string() });
export type JobLogLine = z.infer<typeof JobLogLine>;

export const JobDetail = Job.extend({ log: z.array(JobLogLine) });
export type JobDetail = z.infer<typeof JobDetail>;
