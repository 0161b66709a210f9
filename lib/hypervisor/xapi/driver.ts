/** XenServer ≥ 7.3 and XCP-ng by the XenAPI. */
import type { HostSecret } from "#lib/domain/connection.ts";
import type { XapiConnection } from "#lib/domain/connection/xapi.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { identifyPool, XapiSession } from "./session.ts";
import { XapiAdapter } from "./xapi-adapter.ts";

const STALL_MS = 120_000;

/** `stallMs`: how long a task or a transfer may stand still; `callMs`: how long an answer may take. */
export function makeXapiDriver(stallMs: number, callMs?: number): HypervisorDriver<XapiConnection, HostSecret> {
  return {
    id: "xapi",
    async open(connection, secret, signal) {
      const session = await XapiSession.open(connection, secret, { signal, callMs });
      try {
        return await XapiAdapter.open(session, stallMs, signal);
      } catch (error) {
        await session[Symbol.asyncDispose]();
        throw error;
      }
    },
    identify: identifyPool,
  };
}

export const xapiDriver = makeXapiDriver(STALL_MS);
