import { createRoute } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import type { LiveEvent } from "#lib/domain/page.ts";
import type { Services } from "#lib/services/context.ts";
import { productVersion } from "#lib/version.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { identify } from "./guard.ts";
import type { Api } from "./types.ts";

const route = createRoute({
  method: "get",
  path: "/events",
  tags: ["Events"],
  summary: "What changes, as server-sent events",
  description:
    "`hello` comes first; then one event per change, named by its type. `gap` says that events were lost: read again what you show. The stream ends with the session.",
  responses: { 200: { description: "text/event-stream" } },
});

const PING_MS = 15_000;
/** A reader that cannot keep up loses the stream and, on coming back, reads everything anew. */
const MOST_WAITING = 2000;

export function registerEventRoutes(api: Api, services: Services, settings: AuthSettings): void {
  api.openapi(route, (c) => {
    const request = c.env.incoming;
    c.header("X-Accel-Buffering", "no");
    return streamSSE(c, async (out) => {
      let waiting: LiveEvent[] = [];
      let wake: () => void = () => undefined;
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
        let checkedAt = Date.now();
        while (!out.aborted) {
          if (Date.now() - checkedAt >= PING_MS) {
            // Signed out, disabled or expired since: the stream ends, and the page finds out why.
            await identify(services, settings, request);
            checkedAt = Date.now();
            await out.write(": ping\n\n");
          }
          const event = waiting.shift();
          if (event !== undefined) {
            await out.writeSSE({ event: event.type, data: JSON.stringify(event) });
            continue;
          }
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.max(0, PING_MS - (Date.now() - checkedAt)));
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      } catch (error) {
        services.log.debug({ err: error }, "event stream ended");
      } finally {
        unsubscribe();
      }
    });
  });
}
