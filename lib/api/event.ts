import { createRoute } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import type { LiveEvent } from "#lib/domain/page.ts";
import type { Services } from "#lib/services/context.ts";
import { productVersion } from "#lib/version.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { OpenStreams } from "./open-streams.ts";
import { refused } from "./answers.ts";
import type { Api } from "./types.ts";

const route = createRoute({
  method: "get",
  path: "/events",
  tags: ["Events"],
  summary: "What changes, as server-sent events",
  description:
    "`hello` comes first; then one event per change, named by its type. `gap` says that events were lost: read again what you show. When the session or token that opened the stream ends, `ended` comes last and the stream closes.",
  responses: { 200: { description: "text/event-stream" }, default: refused },
});

const PING_MS = 15_000;
/** A reader that cannot keep up loses the stream and, on coming back, reads everything again. */
const MOST_WAITING = 2000;

/** For the last event; a reader that does not take it is cut off all the same. */
const LAST_WORDS_MS = 1000;

export function registerEventRoutes(api: Api, services: Services, settings: AuthSettings): void {
  const streams = new OpenStreams(services, settings.sessions);
  api.openapi(route, (c) => {
    let waiting: LiveEvent[] = [];
    let ended = false;
    let wake: () => void = () => undefined;
    const close = streams.add(c.get("ctx"), () => {
      ended = true;
      wake();
      setTimeout(() => c.env.outgoing.destroy(), LAST_WORDS_MS).unref();
    });
    // A stream that nobody began to read has no other end than its socket's.
    c.env.outgoing.once("close", close);
    c.header("X-Accel-Buffering", "no");
    return streamSSE(c, async (out) => {
      const unsubscribe = services.events.subscribe((event) => {
        waiting.push(event);
        wake();
        if (waiting.length <= MOST_WAITING) return;
        // The loop below may hang in a write that nobody reads: only the socket itself ends that.
        unsubscribe();
        waiting = [];
        c.env.outgoing.destroy();
      });
      out.onAbort(() => wake());
      try {
        await out.writeSSE({ event: "hello", data: JSON.stringify({ version: productVersion }) });
        let pingedAt = Date.now();
        while (!out.aborted && !ended) {
          if (Date.now() - pingedAt >= PING_MS) {
            pingedAt = Date.now();
            await out.write(": ping\n\n");
          }
          const event = waiting.shift();
          if (event !== undefined) {
            await out.writeSSE({ event: event.type, data: JSON.stringify(event) });
            continue;
          }
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.max(0, PING_MS - (Date.now() - pingedAt)));
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        if (ended && !out.aborted) await out.writeSSE({ event: "ended", data: "{}" });
      } catch (error) {
        services.log.debug({ err: error }, "event stream ended");
      } finally {
        unsubscribe();
        close();
      }
    });
  });
}
