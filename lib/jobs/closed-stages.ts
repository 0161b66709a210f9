import type { Job } from "#lib/domain/job.ts";

/** Nothing of a job that has ended still runs. The same array when nothing did. */
export function closedStages(stages: Job["stages"], state: "succeeded" | "failed" | "cancelled"): Job["stages"] {
  if (stages.every((stage) => stage.state !== "running")) return stages;
  const closed = state === "succeeded" ? ("done" as const) : ("failed" as const);
  return stages.map((stage) =>
    stage.state === "running" ? { ...stage, state: closed, finishedAt: new Date().toISOString() } : stage,
  );
}
