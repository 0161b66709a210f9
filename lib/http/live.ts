/**
 * One event stream for the whole page. What it says is turned into invalidations of cached answers; progress
 * is written straight into them. Nothing here polls: while the stream is down the page says so.
 */
import type { QueryClient } from "@tanstack/react-query";
import { LiveEvent } from "#lib/domain/page.ts";
import { keysOf } from "./live-keys.ts";
import { patchProgress, readProgress } from "./progress.ts";

export type LiveState = "connecting" | "live" | "lost";

export interface Live {
  open(): void;
  state(): LiveState;
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** Events of a busy host come in hundreds; one refetch a quarter second is enough for the eye. */
const GATHER_MS = 250;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;
const NAMES = [
  "message",
  "host",
  "inventory",
  "image",
  "request",
  "job",
  "job-progress",
  "settings",
  "library",
  "audit",
  "gap",
] as const;

export interface LiveOptions {
  readonly url?: string;
  /** The server refused the stream or ended it: signed out, or restarting. */
  readonly onRefused?: () => void;
}

/** Nothing is connected before `open`; after `close` it can be opened anew. */
export function createLive(client: QueryClient, { url = "/api/v1/events", onRefused }: LiveOptions = {}): Live {
  const listeners = new Set<() => void>();
  const waiting = new Map<string, readonly unknown[]>();
  let state: LiveState = "connecting";
  let source: EventSource | null = null;
  let gather: ReturnType<typeof setTimeout> | null = null;
  let retry: ReturnType<typeof setTimeout> | null = null;
  let delay = FIRST_RETRY_MS;
  let everLive = false;
  let closed = true;

  const become = (next: LiveState): void => {
    if (state === next) return;
    state = next;
    for (const listener of listeners) listener();
  };

  const flush = (): void => {
    gather = null;
    const keys = [...waiting.values()];
    waiting.clear();
    for (const queryKey of keys) void client.invalidateQueries({ queryKey });
  };

  const take = (message: MessageEvent<string>): void => {
    let json: unknown;
    try {
      json = JSON.parse(message.data);
    } catch {
      return; // A comment of a newer server; what it means will be in the next answer.
    }
    const event = LiveEvent.safeParse(json);
    if (!event.success) return;
    if (event.data.type === "job-progress") {
      const progress = readProgress(event.data.progress);
      const jobId = event.data.id;
      if (progress) {
        for (const prefix of ["jobs", "requests"]) {
          client.setQueriesData({ queryKey: [prefix] }, (old: unknown) => patchProgress(old, jobId, progress));
        }
      }
      return;
    }
    for (const key of keysOf(event.data)) waiting.set(JSON.stringify(key), key);
    gather ??= setTimeout(flush, GATHER_MS);
  };

  const opened = (): void => {
    delay = FIRST_RETRY_MS;
    become("live");
    // What happened while the stream was down was not told: everything shown may be old.
    if (everLive) void client.invalidateQueries();
    everLive = true;
  };

  const again = (): void => {
    if (closed) return;
    retry = setTimeout(connect, delay);
    delay = Math.min(LAST_RETRY_MS, delay * 2);
  };

  const connect = (): void => {
    if (closed) return;
    source = new EventSource(url);
    source.onopen = opened;
    source.onerror = () => {
      become("lost");
      // A refused stream (signed out, server restarting) is closed for good by the browser: open a new one.
      if (source?.readyState !== EventSource.CLOSED || closed) return;
      onRefused?.();
      again();
    };
    for (const name of NAMES) source.addEventListener(name, take);
    // The session that opened the stream has ended. The browser would open it again by itself, to be refused.
    source.addEventListener("ended", () => {
      source?.close();
      become("lost");
      onRefused?.();
      again();
    });
  };

  return {
    open: () => {
      if (!closed) return;
      closed = false;
      connect();
    },
    state: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      closed = true;
      source?.close();
      if (gather) clearTimeout(gather);
      if (retry) clearTimeout(retry);
      gather = null;
      retry = null;
    },
  };
}
