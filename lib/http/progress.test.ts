import { expect, it } from "vitest";
import { patchProgress, readProgress } from "./progress.ts";

const progress = { done: 5, total: 10, moved: 3, rate: 1, eta: 5 };
const job = (id: string) => ({ id, state: "running", progress: null });

it("patches a job in a list and leaves the others as they are", () => {
  const list = { items: [job("a"), job("b")], next: null, total: 2 };
  const next = patchProgress(list, "b", progress) as typeof list;
  expect(next.items[1]).toEqual({ id: "b", state: "running", progress });
  expect(next.items[0]).toBe(list.items[0]);
});

it("patches a paged list", () => {
  const data = { pages: [{ items: [job("a")] }, { items: [job("b")] }], pageParams: [null, "x"] };
  const next = patchProgress(data, "b", progress) as typeof data;
  expect(next.pages[0]).toBe(data.pages[0]);
  expect(next.pages[1]?.items[0]?.progress).toEqual(progress);
});

it("patches the target of a request by its job, not the request by its own id", () => {
  const request = { id: "r", status: "running", targets: [{ id: "t", jobId: "b", progress: null }] };
  expect(patchProgress(request, "b", progress)).toMatchObject({ targets: [{ progress }] });
  expect(patchProgress(request, "r", progress)).toBe(request);
});

it("returns the same object when the job is not there", () => {
  const data = { items: [job("a")] };
  expect(patchProgress(data, "z", progress)).toBe(data);
  expect(patchProgress(null, "z", progress)).toBeNull();
});

it("reads only a whole progress", () => {
  expect(readProgress(progress)).toEqual(progress);
  expect(readProgress({ done: 1 })).toBeNull();
});
