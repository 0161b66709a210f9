import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { Job, JobDetail } from "#lib/domain/job.ts";
import { pageOf } from "#lib/domain/page.ts";
import { presentJob, presentLogLine } from "#lib/presenters/job.ts";
import { cancelJob, getJob, listJobs } from "#lib/services/job/jobs.ts";
import { answers, answers204, paging } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Jobs"];
const params = z.object({ id: z.uuid() });
const word = z.string().max(200).optional();
const routes = {
  list: createRoute({
    method: "get",
    path: "/jobs",
    tags,
    summary: "Jobs, newest first",
    request: {
      query: z.object({
        state: z.enum(["active", "finished", "all"]).default("all"),
        subjectKind: word,
        subjectId: word,
        q: word,
        ...paging(200, 50),
      }),
    },
    responses: answers(pageOf(Job), "A page of jobs"),
  }),
  get: createRoute({
    method: "get",
    path: "/jobs/{id}",
    tags,
    summary: "A job with the last lines of its log",
    request: { params },
    responses: answers(JobDetail, "The job"),
  }),
  cancel: createRoute({
    method: "post",
    path: "/jobs/{id}/cancel",
    tags,
    summary: "Cancel a job; what it made is removed",
    request: { params },
    responses: answers204("It will stop"),
  }),
};

export function registerJobRoutes(api: Api): void {
  api.openapi(routes.list, async (c) => {
    const page = await listJobs(c.get("ctx"), c.req.valid("query"));
    return c.json({ items: page.rows.map(presentJob), next: page.next, total: page.total }, 200);
  });
  api.openapi(routes.get, async (c) => {
    const { row, log } = await getJob(c.get("ctx"), c.req.valid("param").id);
    return c.json({ ...presentJob(row), log: log.map(presentLogLine) }, 200);
  });
  api.openapi(routes.cancel, async (c) => {
    await cancelJob(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
}
