/** Who somebody is: by password, or by what a single sign-on provider vouches for. */
import { eq, or } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { users } from "#lib/db/schema.ts";
import { Email } from "#lib/domain/user.ts";
import type { Role } from "#lib/domain/role.ts";
import { AppError } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { checkPassword } from "./password.ts";
import { countAttempt, forgiveAttempts } from "./rate-limit.ts";

export type UserRow = typeof users.$inferSelect;

/** Tries in 15 minutes. An address may hold a whole office; an account is one person. */
const PER_ADDRESS = 30;
const PER_ACCOUNT = 10;

async function recordSignIn(services: Services, user: UserRow | null, name: string, result: "ok" | "refused", how: string, address: string | null): Promise<void> {
  await services.db.transaction(async (tx) => {
    if (user !== null && result === "ok") await tx.update(users).set({ lastSignInAt: new Date() }).where(eq(users.id, user.id));
    await appendAudit(
      tx,
      { id: user?.id ?? null, name: user?.name ?? name, role: user?.role ?? null, via: "web", address },
      { action: "session.started", result, subject: { kind: "user", id: user?.id ?? null, name }, details: { how } },
    );
  });
  services.events.publish({ type: "audit" });
}

/** Throws `auth.wrong-credentials` (whatever of the two was wrong) or `auth.too-many-attempts`. */
export async function signInByPassword(services: Services, input: { email: string; password: string; address: string | null }): Promise<UserRow> {
  const parsed = Email.safeParse(input.email);
  const email = parsed.success ? parsed.data : "";
  if (input.address !== null) await countAttempt(services.db, `address:${input.address}`, PER_ADDRESS);
  await countAttempt(services.db, `account:${email}`, PER_ACCOUNT);
  const [user] = email === "" ? [] : await services.db.select().from(users).where(eq(users.email, email));
  const right = await checkPassword(user?.passwordHash ?? null, input.password);
  if (user === undefined || !right || user.disabled) {
    await recordSignIn(services, user ?? null, email === "" ? "unknown" : email, "refused", "password", input.address);
    throw new AppError("unauthenticated", "auth.wrong-credentials", "The email or the password is wrong.", {
      hint: "Passwords are case-sensitive. An administrator can set a new one.",
    });
  }
  await forgiveAttempts(services.db, `account:${email}`);
  await recordSignIn(services, user, user.email, "ok", "password", input.address);
  return user;
}

/** The account of somebody that the provider vouches for; made at their first visit. Their role follows the provider's claim. */
export async function signInByOidc(services: Services, input: { subject: string; email: string; name: string; role: Role | null }): Promise<UserRow | null> {
  const email = Email.parse(input.email);
  const user = await services.db.transaction(async (tx) => {
    const [known] = await tx
      .select()
      .from(users)
      .where(or(eq(users.oidcSubject, input.subject), eq(users.email, email)));
    if (known === undefined) {
      const [made] = await tx
        .insert(users)
        .values({ email, name: input.name, role: input.role ?? "requester", oidcSubject: input.subject })
        .returning();
      return made ?? null;
    }
    // An account with a password is not taken over by whoever owns the same address at the provider.
    if (known.oidcSubject !== input.subject && (known.oidcSubject !== null || known.passwordHash !== null)) return null;
    const [changed] = await tx
      .update(users)
      .set({ oidcSubject: input.subject, ...(input.role === null ? {} : { role: input.role }) })
      .where(eq(users.id, known.id))
      .returning();
    return changed ?? null;
  });
  const welcome = user !== null && !user.disabled ? user : null;
  await recordSignIn(services, welcome, email, welcome === null ? "refused" : "ok", "oidc", null);
  return welcome;
}
