import { JobDetail } from "#lib/domain/job.ts";
import { AppError, errorFromJson, type ErrorJson } from "#lib/errors.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import type { RemoteApi } from "./api.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Follows a job to its end, drawing its progress. Throws the job's own error, or `job.cancelled`. */
export async function waitForJob(api: RemoteApi, jobId: string, signal: AbortSignal): Promise<JobDetail> {
  let bar: ReturnType<typeof progressBar> | null = null;
  let label = "";
  try {
    for (;;) {
      const job = await api.get(`/jobs/${jobId}`, JobDetail);
      const running = job.stages.find((stage) => stage.state === "running")?.label ?? job.title;
      if (running !== label) {
        bar?.end();
        label = running;
        bar = progressBar(label);
      }
      if (job.progress !== null && job.progress.total > 0) bar?.update(job.progress);
      if (job.state === "succeeded") return job;
      if (job.state === "failed")
        throw job.error === null
          ? new AppError("internal", "job.failed", `${job.title} failed.`)
          : errorFromJson(job.error as ErrorJson);
      if (job.state === "cancelled") throw new AppError("cancelled", "job.cancelled", `${job.title} was cancelled.`);
      if (signal.aborted) {
        throw new AppError("cancelled", "cli.stopped-waiting", "Stopped waiting; the work goes on in the console.", {
          hint: "Cancel it on the Jobs page if it should stop.",
        });
      }
      await pause(500);
    }
  } finally {
    bar?.end();
  }
}
