/** Answers that are made while they are sent. One that breaks off never looks whole. */
import type { Context } from "hono";
import type { Logger } from "pino";
import type { ApiEnv } from "./types.ts";

interface Source {
  readonly pieces: AsyncIterator<Uint8Array>;
  /** Called once, also when not one piece was asked for. */
  readonly release?: () => Promise<void>;
}

/**
 * An error midway goes to the log, and the connection is cut: an orderly end would tell the client that it has all.
 * The stream itself never fails, since what is above it would print the error past the log and append it to the body.
 */
export function streamed(c: Context<ApiEnv>, log: Logger, { pieces, release }: Source): ReadableStream<Uint8Array> {
  let released = false;
  const end = async (): Promise<void> => {
    if (released) return;
    released = true;
    await release?.().catch((error: unknown) => log.warn({ err: error }, "what an answer was made from did not close"));
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done !== true) return controller.enqueue(value);
          await end();
          controller.close();
        } catch (error) {
          log.error({ err: error, path: c.req.path, method: c.req.method }, "an answer broke off");
          await end();
          // Without a socket (the routes called as functions) there is nothing to cut.
          const socket = c.env?.outgoing as ApiEnv["Bindings"]["outgoing"] | undefined;
          if (socket === undefined) return controller.error(new Error("The answer broke off."));
          socket.destroy();
          controller.close();
        }
      },
      async cancel() {
        await pieces.return?.();
        await end();
      },
    },
    { highWaterMark: 0 },
  );
}
