/** Who asks, and whether the browser that asks was on our own page. */
import type { IncomingMessage } from "node:http";
import { authenticate, type AuthSettings } from "#lib/auth/authenticate.ts";
import { addressOfClient, admittedAs } from "#lib/edge/admit.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx, Services } from "#lib/services/context.ts";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * A cookie goes along whoever made the browser ask. Changes by cookie are therefore taken only from our own
 * pages: the browser says where a request comes from, and scripts cannot change that. Throws `auth.cross-site`.
 */
function refuseForeignOrigin(request: IncomingMessage): void {
  const site = request.headers["sec-fetch-site"];
  // Browsers say it over TLS and to localhost, and then it is the last word; else the origin has to be ours.
  if (site === undefined ? fromOurOrigin(request) : site === "same-origin") return;
  throw new AppError("forbidden", "auth.cross-site", "This request came from another site.", {
    hint: "Scripts use a personal token in the Authorization header instead of the browser's session.",
  });
}

function fromOurOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers;
  const from = origin === undefined ? null : URL.parse(origin)?.host;
  if (from === null || from === undefined) return false;
  return from === host || from === admittedAs(request)?.host;
}

/** Throws `auth.required` when nobody is signed in. */
export async function identify(services: Services, settings: AuthSettings, request: IncomingMessage): Promise<Ctx> {
  const { authorization, cookie } = request.headers;
  const actor = await authenticate(services, settings, { authorization, cookie, address: addressOfClient(request) });
  if (actor === null)
    throw new AppError("unauthenticated", "auth.required", "Sign in first.", {
      hint: "Or send a personal token: Authorization: Bearer svt_…",
    });
  if (actor.via === "web" && !SAFE.has(request.method ?? "GET")) refuseForeignOrigin(request);
  return { ...services, actor };
}
