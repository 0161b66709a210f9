/** Long work that a worker does: shown in the task drawer and on its own page. */
import { z } from "zod";
import { ErrorView } from "./host.ts";
import { Progress, Stage } from "./request.ts";

export const JOB_KINDS = ["deploy", "image.analyse", "image.import", "image.capture"] as const;
export const JobKind = z.enum(JOB_KINDS);
export type JobKind = z.infer<typeof JobKind>;

export const JobState = z.enum(["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]);
export type JobState = z.infer<typeof JobState>;

export const JobStage = Stage.extend({ id: z.string() });

export const Job = z.object({
  id: z.uuid(),
  kind: JobKind,
  /** "Deploy web-golden v3 to kvm-1 as web-07" */
  title: z.string(),
  state: JobState,
  stages: z.array(JobStage),
  progress: Progress.nullable(),
  error: ErrorView.nullable(),
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
