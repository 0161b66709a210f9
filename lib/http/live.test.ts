import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLive } from "./live.ts";

/** The browser's EventSource as far as it is used; the test speaks for the server. */
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static opened: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly url: string;
  constructor(url: string) {
    super();
    this.url = url;
    Source.opened.push(this);
  }
  say(data: unknown, name = "message"): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  refuse(): void {
    this.readyState = Source.CLOSED;
    this.onerror?.();
  }
  close(): void {
    this.readyState = Source.CLOSED;
  }
}

const newest = (): Source => Source.opened.at(-1)!;

beforeEach(() => {
  Source.opened = [];
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("gathers events and refetches each prefix once", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries").mockResolvedValue();
  const live = createLive(client);
  live.open();
  newest().open();
  for (let n = 0; n < 100; n += 1) newest().say({ type: "inventory", hostId: "h", kinds: ["vm"], refs: [String(n)] });
  newest().say({ type: "audit" }, "audit");
  expect(invalidate).not.toHaveBeenCalled();
  vi.advanceTimersByTime(300);
  expect(invalidate.mock.calls.map(([filter]) => filter?.queryKey?.[0]).sort()).toEqual([
    "audit",
    "hosts",
    "overview",
    "vms",
  ]);
  live.close();
});

it("writes progress into the cache without refetching", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries");
  client.setQueryData(["jobs", "list", "active"], {
    items: [{ id: "j", state: "running", progress: null }],
    next: null,
    total: 1,
  });
  const live = createLive(client);
  live.open();
  newest().open();
  const progress = { done: 1, total: 2, moved: 1, rate: null, eta: null };
  newest().say({ type: "job-progress", id: "j", requestId: null, progress });
  vi.advanceTimersByTime(300);
  expect(client.getQueryData(["jobs", "list", "active"])).toMatchObject({ items: [{ progress }] });
  expect(invalidate).not.toHaveBeenCalled();
  live.close();
});

it("opens the stream anew after a refusal, later each time, and refetches all once it is back", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries").mockResolvedValue();
  const refused = vi.fn();
  const live = createLive(client, { onRefused: refused });
  live.open();
  const states: string[] = [];
  live.subscribe(() => states.push(live.state()));
  newest().open();
  newest().refuse();
  vi.advanceTimersByTime(1_000);
  expect(Source.opened).toHaveLength(2);
  newest().refuse();
  vi.advanceTimersByTime(1_999);
  expect(Source.opened).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(Source.opened).toHaveLength(3);
  newest().open();
  expect(invalidate).toHaveBeenCalledWith();
  expect(states).toEqual(["live", "lost", "live"]);
  expect(refused).toHaveBeenCalledTimes(2);
  live.close();
});

it("stays closed once closed, and swallows what it does not understand", () => {
  const client = new QueryClient();
  const live = createLive(client);
  live.open();
  newest().open();
  newest().dispatchEvent(new MessageEvent("message", { data: "{" }));
  newest().say({ type: "from-the-future" });
  live.close();
  newest().refuse();
  vi.advanceTimersByTime(60_000);
  expect(Source.opened).toHaveLength(1);
});

it("reads everything again when the server says that events were lost", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries").mockResolvedValue();
  const live = createLive(client);
  live.open();
  newest().open();
  newest().say({ type: "gap" }, "gap");
  vi.advanceTimersByTime(300);
  // An empty prefix is the prefix of every key.
  expect(invalidate.mock.calls.map(([filter]) => filter?.queryKey)).toEqual([[]]);
  live.close();
});
