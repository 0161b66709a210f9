/** What every pool of connections to Postgres is opened with, ours and the job queue's. */
import { Socket } from "node:net";

/** A network that swallows packets must not keep anybody waiting for ever. */
export const QUERY_MS = 130_000;
/** How long queries that are under way at the end may take before their connections are cut. */
const GOODBYE_MS = 2000;

export interface ConnectionRules {
  /** For `pg.Pool`. */
  readonly options: {
    readonly connectionTimeoutMillis: number;
    readonly keepAlive: boolean;
    readonly query_timeout: number;
    readonly stream: () => Socket;
  };
  /** Runs the pool's own end, and ends in any case: a query on a connection that lost its other side never answers. */
  endWith(end: () => Promise<unknown>): Promise<void>;
}

/** One per pool: it knows the pool's sockets, which pg shows nobody. `queryMs`: the longest that an answer is waited for. */
export function connectionRules(queryMs = QUERY_MS): ConnectionRules {
  const open = new Set<Socket>();
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    options: {
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      query_timeout: queryMs,
      stream() {
        const socket = new Socket();
        open.add(socket);
        socket.once("close", () => open.delete(socket));
        return socket;
      },
    },
    async endWith(end) {
      const timer = setTimeout(cut, GOODBYE_MS);
      try {
        await end();
      } finally {
        clearTimeout(timer);
        // Idle ones have been taken leave of; one whose other side does not answer that stays open otherwise.
        if (open.size > 0) setTimeout(cut, GOODBYE_MS).unref();
      }
    },
  };
}
