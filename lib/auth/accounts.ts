/** Who somebody is: by password, or by what a single sign-on provider vouches for. */
import { eq, or } from "drizzle-orm";
import { appendAudit, type AuditActor } from "#lib/audit/append.ts";
import { recordRepeatable } from "#lib/audit/repeats.ts";
import type { Tx } from "#lib/db/client.ts";
import { users } from "#lib/db/schema.ts";
import { cleanName } from "#lib/domain/plain-name.ts";
import { Email } from "#lib/domain/user.ts";
import type { Role } from "#lib/domain/role.ts";
import { AppError } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { isLastAdministrator, lockAdministrators } from "./administrators.ts";
import { checkPassword } from "./password.ts";
import { isKnownPlace, placeOf, rememberPlace } from "./places.ts";
import { endSessions } from "./sessions.ts";
import { forgive, takeBack, takeTurn, throttleKey } from "./throttle.ts";

export type UserRow = typeof users.$inferSelect;

/** How somebody comes: by the sign-in page, or by the API for a token. */
type Via = Exclude<AuditActor["via"], "system">;

async function recordSignIn(
  services: Services,
  user: UserRow | null,
  name: string,
  result: "ok" | "refused",
  details: Record<string, unknown>,
  { via, address }: { via: Via; address: string | null },
): Promise<void> {
  await services.db.transaction(async (tx) => {
    if (user !== null && result === "ok") {
      await tx.update(users).set({ lastSignInAt: new Date() }).where(eq(users.id, user.id));
      await rememberPlace(tx, user.id, placeOf(address));
    }
    await appendAudit(
      tx,
      { id: user?.id ?? null, name: user?.name ?? name, role: user?.role ?? null, via, address },
      { action: "session.started", result, subject: { kind: "user", id: user?.id ?? null, name }, details },
    );
  });
  services.events.publish({ type: "audit" });
}

/**
 * A try that the throttle refused. Strangers make as many of them as they like, from addresses and with names of their
 * choice: one subject per account that there is, else one per place, and never what they typed.
 */
async function recordLocked(
  services: Services,
  lock: "place" | "account" | "pair",
  email: string | null,
  place: string,
  via: Via,
): Promise<void> {
  const [user] =
    lock === "place" || email === null ? [] : await services.db.select().from(users).where(eq(users.email, email));
  await recordRepeatable(
    services,
    { id: user?.id ?? null, name: user?.name ?? "unknown", role: user?.role ?? null, via, address: place },
    {
      action: "session.locked",
      result: "refused",
      subject: { kind: "user", id: user?.id ?? null, name: user?.email ?? `somebody at ${place}` },
      details: {
        how: "password",
        slowed: user === undefined ? "address" : lock === "pair" ? "account and address" : lock,
      },
    },
  );
}

/**
 * Throws `auth.wrong-credentials` (whatever of the two was wrong) or `auth.too-many-attempts`. From a place where this
 * account signed in before, only tries for this account from there count; from elsewhere also those of the whole
 * place and those for the account from all other places.
 */
export async function signInByPassword(
  services: Services,
  input: { email: string; password: string; via: Via; address: string | null },
): Promise<UserRow> {
  const { db } = services;
  const parsed = Email.safeParse(input.email);
  const email = parsed.success ? parsed.data : null;
  const name = email ?? input.email.trim().toLowerCase();
  const place = placeOf(input.address);
  const pair = throttleKey("pair", name, place);
  const wide = [
    ["place", throttleKey("place", place)],
    ["account", throttleKey("account", name)],
  ] as const;
  const known = email !== null && (await isKnownPlace(db, email, place));
  let wait = 0;
  for (const [kind, key] of [...(known ? [] : wide), ["pair", pair] as const]) {
    try {
      wait = Math.max(wait, await takeTurn(db, kind, key));
    } catch (error) {
      if (error instanceof AppError && error.kind === "too-many")
        await recordLocked(services, kind, email, place, input.via);
      throw error;
    }
  }
  const [user] = email === null ? [] : await db.select().from(users).where(eq(users.email, email));
  const right = await checkPassword(user?.passwordHash ?? null, input.password);
  if (user === undefined || !right || user.disabled) {
    const slowed = wait === 0 ? {} : { nextTryAfterSeconds: wait };
    await recordSignIn(services, user ?? null, email ?? "unknown", "refused", { how: "password", ...slowed }, input);
    throw new AppError("unauthenticated", "auth.wrong-credentials", "The email or the password is wrong.", {
      hint: "Passwords are case-sensitive. An administrator can set a new one.",
    });
  }
  await forgive(db, pair);
  if (!known) for (const [, key] of wide) await takeBack(db, key);
  await recordSignIn(services, user, user.email, "ok", { how: "password" }, input);
  return user;
}

/** The browser said good-bye: its session ends here too, and a copy of its cookie with it. */
export async function signOut(
  services: Services,
  input: { userId: string; sessionId: string; address: string | null },
): Promise<void> {
  const [user] = await services.db.select().from(users).where(eq(users.id, input.userId));
  if (user === undefined) return;
  await services.db.transaction(async (tx) => {
    if ((await endSessions(tx, user.id, { only: input.sessionId })) === 0) return;
    await appendAudit(
      tx,
      { id: user.id, name: user.name, role: user.role, via: "web", address: input.address },
      {
        action: "session.ended",
        subject: { kind: "user", id: user.id, name: user.email },
        details: { why: "signed out" },
      },
    );
  });
  services.events.publish({ type: "audit" });
}

export interface Vouched {
  /** The provider's own, unchanging name of the person. */
  readonly subject: string;
  readonly email: string;
  readonly name: string;
  /** Null: roles are given in Supravisor. */
  readonly role: Role | null;
  readonly address: string | null;
}

/**
 * The account of somebody that the provider vouches for; made at their first visit. Their role follows the
 * provider's claim, except that the last administrator stays one. Null: the account is disabled or not theirs.
 */
export async function signInByOidc(services: Services, input: Vouched): Promise<UserRow | null> {
  const email = Email.parse(input.email);
  const user = await services.db.transaction(async (tx) => {
    await lockAdministrators(tx);
    const found = await tx
      .select()
      .from(users)
      .where(or(eq(users.oidcSubject, input.subject), eq(users.email, email)));
    // Who the provider says it is comes before which address they have now.
    const known = found.find((row) => row.oidcSubject === input.subject) ?? found[0];
    if (known === undefined) return addVouched(tx, input, email);
    // An account with a password is not taken over by whoever owns the same address at the provider.
    if (known.oidcSubject !== input.subject && (known.oidcSubject !== null || known.passwordHash !== null)) return null;
    const role = input.role === null || (await isLastAdministrator(tx, known)) ? known.role : input.role;
    const [changed] = await tx
      .update(users)
      .set({ oidcSubject: input.subject, role })
      .where(eq(users.id, known.id))
      .returning();
    if (role !== known.role) {
      await appendAudit(tx, PROVIDER, {
        action: "user.changed",
        subject: { kind: "user", id: known.id, name: known.email },
        details: { role: { from: known.role, to: role }, by: "the provider's claim" },
      });
    }
    return changed ?? null;
  });
  const welcome = user !== null && !user.disabled ? user : null;
  await recordSignIn(
    services,
    welcome,
    email,
    welcome === null ? "refused" : "ok",
    { how: "oidc" },
    {
      via: "web",
      address: input.address,
    },
  );
  return welcome;
}

const PROVIDER = { id: null, name: "Single sign-on", role: null, via: "system", address: null } as const;

const LONGEST_NAME = 120;

/** The provider's people name themselves: what a person could not give as their name here is left out. */
function vouchedName(name: string, email: string): string {
  let short = "";
  for (const character of cleanName(name, email)) {
    if (short.length + character.length > LONGEST_NAME) break;
    short += character;
  }
  return short.trim();
}

async function addVouched(tx: Tx, input: Vouched, email: string): Promise<UserRow | null> {
  const [made] = await tx
    .insert(users)
    .values({
      email,
      name: vouchedName(input.name, email),
      role: input.role ?? "requester",
      oidcSubject: input.subject,
    })
    .returning();
  if (made === undefined) return null;
  await appendAudit(tx, PROVIDER, {
    action: "user.created",
    subject: { kind: "user", id: made.id, name: made.email },
    details: { role: made.role },
  });
  return made;
}
