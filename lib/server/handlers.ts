/** Which code does which job; the console and every worker use the same list. */
import type { JobKind } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import { USUAL_WAIT_HOURS } from "#lib/jobs/host-wait.ts";
import type { JobHandler, RunnerOptions } from "#lib/jobs/runner.ts";
import { analyseHandler } from "#lib/library/jobs/analyse.ts";
import { captureHandler } from "#lib/library/jobs/capture.ts";
import { importHandler } from "#lib/library/jobs/import.ts";
import { deployHandler } from "#lib/provisioning/job.ts";

export const HANDLERS: Record<JobKind, JobHandler> = {
  deploy: deployHandler,
  "image.analyse": analyseHandler,
  "image.import": importHandler,
  "image.capture": captureHandler,
};

/**
 * How much runs at a time: what people ask for by option, then by environment. Each job converts in a thread of its
 * own; two keep both the disk and the network busy. Throws `settings.not-a-number`.
 */
export function runnerOptions(asked: { readonly jobs?: number | undefined } = {}): RunnerOptions {
  return {
    concurrency: asked.jobs ?? numberFrom("SUPRAVISOR_JOBS", 2, 64),
    perHost: numberFrom("SUPRAVISOR_JOBS_PER_HOST", 4, 64),
    wait: { hours: numberFrom("SUPRAVISOR_HOST_WAIT_HOURS", USUAL_WAIT_HOURS, 14 * 24) },
  };
}

function numberFrom(name: string, usual: number, most: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return usual;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new AppError("invalid", "settings.not-a-number", `${name} is “${text}”.`, {
    hint: `Give it a whole number from 1 to ${most}, or leave it out for ${usual}.`,
  });
}
