/** How many connections there may be, in all and from one address. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "pino";
import { isProxy, plainAddress, type Proxies } from "#lib/edge/proxies.ts";
import { AppError } from "#lib/errors.ts";

export interface ConnectionLimits {
  readonly total: number;
  /** A reverse proxy carries everybody's connections and is not counted; nor is this machine itself. */
  readonly perAddress: number;
}

const PER_ADDRESS = 500;
const WARN_EVERY_MS = 60_000;

/** SUPRAVISOR_MAX_CONNECTIONS. Throws `server.bad-max-connections`. */
export function connectionLimits(env: Readonly<Record<string, string | undefined>>): ConnectionLimits {
  const text = env["SUPRAVISOR_MAX_CONNECTIONS"] || "4000";
  const total = Number(text);
  if (!Number.isInteger(total) || total < 10)
    throw new AppError(
      "invalid",
      "server.bad-max-connections",
      "SUPRAVISOR_MAX_CONNECTIONS is no number of at least 10.",
    );
  return { total, perAddress: Math.min(PER_ADDRESS, total) };
}

export function limitConnections(server: Server, limits: ConnectionLimits, proxies: Proxies, log: Logger): void {
  const open = new Map<string, number>();
  let warnedAt = 0;
  const warn = (peer: string, words: string): void => {
    if (Date.now() - warnedAt < WARN_EVERY_MS) return;
    warnedAt = Date.now();
    log.warn({ peer }, words);
  };
  server.maxConnections = limits.total;
  server.on("drop", (data) => warn(data?.remoteAddress ?? "", "too many connections: new ones are refused"));
  server.on("connection", (socket: Socket) => {
    const peer = plainAddress(socket.remoteAddress ?? "");
    if (peer === null || isLoopback(peer) || isProxy(proxies, peer)) return;
    const count = (open.get(peer) ?? 0) + 1;
    if (count > limits.perAddress) {
      warn(peer, "too many connections from one address: new ones are refused");
      socket.destroy();
      return;
    }
    open.set(peer, count);
    socket.once("close", () => {
      const left = (open.get(peer) ?? 1) - 1;
      if (left === 0) open.delete(peer);
      else open.set(peer, left);
    });
  });
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
