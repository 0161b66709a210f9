import { appendAudit } from "#lib/audit/append.ts";
import { type HostConnection, type HostSecret, isLocal } from "#lib/domain/connection.ts";
import type { HostTest, NewHost } from "#lib/domain/host.ts";
import type { HostFacts } from "#lib/domain/inventory.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { loadHostAccess } from "#lib/inventory/host-access.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";
import { needsPin, readIdentity, unconfirmed } from "./host-identity.ts";
import { fittingSecret, peersOf } from "./host-peers.ts";

const TIMEOUT_MS = 25_000;

/**
 * Connects once and stores nothing. What goes wrong is the answer, not a throw: the page shows it beside the form. A
 * stored host is tested as it is stored: its secret goes nowhere else.
 */
export async function testHost(ctx: Ctx, input: NewHost | { hostId: string }): Promise<HostTest> {
  if ("hostId" in input) {
    await authorise(ctx, "host.refresh", {
      action: "host.tested",
      subject: { kind: "host", id: input.hostId, name: "" },
    });
    const { row, target, secret } = await loadHostAccess(ctx, input.hostId);
    return recorded(ctx, { id: row.id, name: row.name }, target, secret);
  }
  const attempt = { action: "host.tested", subject: { kind: "host", id: null, name: input.name } } as const;
  await authorise(ctx, "host.test", attempt);
  if (isLocal(input.target)) await authorise(ctx, "host.add", attempt);
  return recorded(ctx, { id: null, name: input.name }, input.target, fittingSecret(input.target, input.secret));
}

async function recorded(
  ctx: Ctx,
  host: { readonly id: string | null; readonly name: string },
  target: HostConnection,
  secret: HostSecret | null,
): Promise<HostTest> {
  const outcome = await tryHost(ctx, host.name, target, secret);
  const { ok, error, identity } = outcome;
  await ctx.db.transaction((tx) =>
    appendAudit(tx, ctx.actor, {
      action: "host.tested",
      subject: { kind: "host", ...host },
      result: ok ? "ok" : "failed",
      details: {
        target,
        secrets: secret === null ? [] : Object.keys(secret),
        ...(identity === null ? {} : { identity }),
        ...(error === null ? {} : { error: error.code }),
      },
    }),
  );
  ctx.events.publish({ type: "audit" });
  return outcome;
}

async function tryHost(ctx: Ctx, name: string, target: HostConnection, secret: HostSecret | null): Promise<HostTest> {
  const nothing = { identity: null, facts: null, error: null };
  try {
    if (needsPin(target)) {
      // Before anybody vouched for the peer it gets no secret, so this is as far as a test goes.
      const identity = await readIdentity(target);
      if (identity !== null) {
        return {
          ...nothing,
          ok: false,
          identity: { ...identity, pinned: false },
          error: errorToJson(unconfirmed(name, identity)),
        };
      }
    }
    const facts = await readFacts(ctx, name, target, secret);
    const confirmed = peersOf(target).find(({ pin }) => typeof pin === "string");
    return {
      ...nothing,
      ok: true,
      identity: confirmed?.pin ? { kind: confirmed.kind, fingerprint: confirmed.pin, pinned: true } : null,
      facts,
    };
  } catch (error) {
    const json = errorToJson(error);
    if (json.kind === "internal") ctx.log.error({ err: error }, "testing a host failed");
    const shown = json.code === "host.key-changed" ? await readIdentity(target).catch(() => null) : null;
    return { ...nothing, ok: false, identity: shown === null ? null : { ...shown, pinned: false }, error: json };
  }
}

async function readFacts(
  ctx: Ctx,
  name: string,
  target: HostConnection,
  secret: HostSecret | null,
): Promise<HostFacts | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await using adapter = await openHost(target, secret, { dataDir: ctx.dataDir, signal });
    // The host itself comes first; the rest of its inventory is not asked for.
    for await (const item of adapter.inventory(signal)) if (item.kind === "host") return item;
    return null;
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new AppError("unavailable", "host.timeout", `${name} did not answer within ${TIMEOUT_MS / 1000} s.`, {
      hint: "Check the address and that nothing between here and the host drops the connection.",
      cause: error,
    });
  }
}
