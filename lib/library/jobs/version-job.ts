/** What the three jobs that fill a version have in common: its state ends with them. */
import { isLeft, type JobHandler, type JobIO } from "#lib/jobs/handler.ts";
import type { Analysis } from "../analyse-files.ts";
import { fullOr } from "../space.ts";
import { endVersion } from "../version-state.ts";

/** `run` answers what the files hold; null: the version is gone. */
export function versionJob(run: (io: JobIO) => Promise<Analysis | null>): JobHandler<Analysis | null> {
  return {
    // Whatever ran out of room, it was the library's disk.
    run: (io) =>
      run(io).catch((error: unknown) => {
        throw isLeft(io, error) ? error : (fullOr(error) ?? error);
      }),
    async ended(tx, job, end) {
      await endVersion(tx, job, end);
      return [{ type: "image", id: job.subjectId }];
    },
  };
}
