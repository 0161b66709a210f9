/** Puts a job's progress, as the event stream tells it, into whatever cached answer holds that job. */
import { z } from "zod";
import { Progress } from "#lib/domain/request.ts";

const HasJob = z.looseObject({ id: z.string(), progress: z.unknown() });
const HasTarget = z.looseObject({ jobId: z.string().nullable(), progress: z.unknown() });

function mapList(list: readonly unknown[], jobId: string, progress: Progress): readonly unknown[] {
  let changed = false;
  const next = list.map((item) => {
    const patched = patchProgress(item, jobId, progress);
    if (patched !== item) changed = true;
    return patched;
  });
  return changed ? next : list;
}

/**
 * Returns `data` itself when the job is not in it, so that nothing renders in vain. Knows jobs, requests with
 * targets, lists `{items}` and paged lists `{pages}` of both.
 */
export function patchProgress(data: unknown, jobId: string, progress: Progress): unknown {
  if (typeof data !== "object" || data === null) return data;
  const job = HasJob.safeParse(data);
  if (job.success && job.data.id === jobId && "state" in data) return { ...data, progress };
  const target = HasTarget.safeParse(data);
  if (target.success && target.data.jobId === jobId) return { ...data, progress };
  for (const key of ["items", "pages", "targets"] as const) {
    const list: unknown = Reflect.get(data, key);
    if (!Array.isArray(list)) continue;
    const next = mapList(list, jobId, progress);
    if (next !== list) return { ...data, [key]: next };
  }
  return data;
}

/** Null when the event carries something else than a progress. */
export function readProgress(value: unknown): Progress | null {
  const parsed = Progress.safeParse(value);
  return parsed.success ? parsed.data : null;
}
