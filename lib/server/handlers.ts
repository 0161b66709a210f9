/** Which code does which job; the console and every worker use the same list. */
import type { JobKind } from "#lib/domain/job.ts";
import type { JobHandler } from "#lib/jobs/runner.ts";
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

/** Each job converts in a thread of its own; two keep both the disk and the network busy. */
export const CONCURRENCY = 2;
