/** From a request's headers to the person behind it, read from the database each time. */
import { and, eq, isNull, lt, or } from "drizzle-orm";
import { apiTokens, users } from "#lib/db/schema.ts";
import { ACTIONS, may, ROLES, type Role } from "#lib/domain/role.ts";
import { AppError } from "#lib/errors.ts";
import type { Actor, Services } from "#lib/services/context.ts";
import { readSessionCookie } from "./session-cookie.ts";
import { aliveToken, userOfSession, type SessionLimits } from "./sessions.ts";
import { hashToken } from "./token.ts";

export interface AuthSettings {
  readonly secret: string;
  readonly secureCookies: boolean;
  readonly sessions: SessionLimits;
}

export interface Credentials {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly address: string | null;
}

/** The role that grants no more than either does; the token's when its owner may do all of it still. Null: there is none. */
export function cappedRole(token: Role, owner: Role): Role | null {
  const within = (a: Role, b: Role) => ACTIONS.every((action) => !may(a, action) || may(b, action));
  if (within(token, owner)) return token;
  if (within(owner, token)) return owner;
  // Neither holds the other (operator and auditor): the strongest role that both hold.
  return ROLES.find((role) => within(role, token) && within(role, owner)) ?? null;
}

const STALE_USE_MS = 60_000;

/** Null: nobody. Throws `auth.token-invalid` for a token that is unknown, expired, revoked or of a disabled person. */
export async function authenticate(
  services: Services,
  settings: AuthSettings,
  credentials: Credentials,
): Promise<Actor | null> {
  const bearer = /^Bearer (svt_[A-Za-z0-9_-]{20,100})$/.exec(credentials.authorization ?? "")?.[1];
  if (bearer !== undefined) return byToken(services, bearer, credentials.address);
  if (credentials.authorization !== undefined) {
    throw new AppError("unauthenticated", "auth.token-invalid", "The Authorization header holds no Supravisor token.", {
      hint: "Send: Authorization: Bearer svt_…",
    });
  }
  const id = await readSessionCookie(credentials.cookie, settings.secret, settings.secureCookies);
  const user = id === null ? null : await userOfSession(services.db, settings.sessions, id);
  if (id === null || user === null) return null;
  const credential = { kind: "session", id } as const;
  return { id: user.id, name: user.name, role: user.role, via: "web", address: credentials.address, credential };
}

async function byToken(services: Services, secret: string, address: string | null): Promise<Actor> {
  const [row] = await services.db
    .select({ token: apiTokens, user: users })
    .from(apiTokens)
    .innerJoin(users, eq(users.id, apiTokens.userId))
    .where(and(eq(apiTokens.hash, hashToken(secret)), aliveToken(), eq(users.disabled, false)));
  if (row === undefined) {
    throw new AppError("unauthenticated", "auth.token-invalid", "The token is unknown, expired or revoked.", {
      hint: "Make a new one in Settings, or run `supravisor login`.",
    });
  }
  await noteUse(services, row.token.id);
  const role = cappedRole(row.token.role, row.user.role);
  if (role === null) {
    throw new AppError("unauthenticated", "auth.token-invalid", "The owner of this token has another role now.", {
      hint: "Make a new token in Settings.",
    });
  }
  const credential = { kind: "token", id: row.token.id } as const;
  return { id: row.user.id, name: row.user.name, role, via: "token", address, credential };
}

/** Best effort: who may read can read, also while the database takes no writes. */
async function noteUse(services: Services, tokenId: string): Promise<void> {
  const now = new Date();
  const update = services.db
    .update(apiTokens)
    .set({ lastUsedAt: now })
    .where(
      and(
        eq(apiTokens.id, tokenId),
        or(isNull(apiTokens.lastUsedAt), lt(apiTokens.lastUsedAt, new Date(now.getTime() - STALE_USE_MS))),
      ),
    );
  await update.catch((error: unknown) => services.log.debug({ err: error }, "the use of a token could not be noted"));
}
