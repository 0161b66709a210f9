import type { Job } from "#lib/domain/job.ts";

/** Page of what the job is about. */
export function subjectHref(job: Pick<Job, "subject">): string {
  const { kind, id } = job.subject;
  return kind === "request" ? `/requests/${id}` : kind === "image" ? `/images/${id}` : "/inventory";
}
