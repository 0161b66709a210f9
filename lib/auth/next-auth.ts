import type { NextAuthOptions } from "next-auth";
import type { Logger } from "pino";
import CredentialsProvider from "next-auth/providers/credentials";
import type { Role } from "#lib/domain/role.ts";
import type { ErrorKind } from "#lib/errors.ts";
import { oidcRoleRules, roleFromClaim } from "./oidc-role.ts";
import { accountChecks, type SignedIn } from "./registry.ts";
import { sessionCookieName, sessionIdOf } from "./session-cookie.ts";

function oidcProvider(): NextAuthOptions["providers"] {
  const issuer = process.env["SUPRAVISOR_OIDC_ISSUER"];
  const clientId = process.env["SUPRAVISOR_OIDC_CLIENT_ID"];
  const clientSecret = process.env["SUPRAVISOR_OIDC_CLIENT_SECRET"];
  if (!issuer || !clientId) return [];
  return [
    {
      id: "oidc",
      name: process.env["SUPRAVISOR_OIDC_NAME"] ?? "single sign-on",
      type: "oauth",
      wellKnown: `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
      authorization: { params: { scope: process.env["SUPRAVISOR_OIDC_SCOPE"] ?? "openid email profile" } },
      clientId,
      ...(clientSecret ? { clientSecret } : { client: { token_endpoint_auth_method: "none" as const } }),
      idToken: true,
      checks: ["pkce", "state", "nonce"],
      profile: (profile: Record<string, unknown>) => ({
        id: String(profile["sub"]),
        email: typeof profile["email"] === "string" ? profile["email"] : null,
        name: String(profile["name"] ?? profile["preferred_username"] ?? profile["email"] ?? profile["sub"]),
        role: roleFromClaim(profile, oidcRoleRules(process.env)),
        verified: profile["email_verified"] !== false,
      }),
    },
  ];
}

/** What a refused sign-in says besides its address: in how many seconds the next try is looked at. */
export interface SignInOutcome {
  retryAfter: number | null;
}

/** Built per request: the server puts its functions in place after Next has loaded this module. */
export function nextAuthOptions(outcome: SignInOutcome): NextAuthOptions {
  const checks = accountChecks();
  const address = checks.clientAddress();
  return {
    logger: authLogger(checks.log),
    secret: checks.secret,
    // The row says when a session ends; the cookie only has to last as long.
    session: { strategy: "jwt", maxAge: checks.sessions.maxSeconds },
    useSecureCookies: checks.secureCookies,
    cookies: {
      sessionToken: {
        name: sessionCookieName(checks.secureCookies),
        options: { httpOnly: true, sameSite: "lax", path: "/", secure: checks.secureCookies },
      },
    },
    pages: { signIn: "/sign-in", error: "/sign-in" },
    providers: [
      CredentialsProvider({
        name: "Password",
        credentials: { email: { label: "Email", type: "email" }, password: { label: "Password", type: "password" } },
        async authorize(credentials) {
          try {
            const { userId, sessionId } = await checks.byPassword({
              email: (credentials?.email ?? "").slice(0, 254),
              password: (credentials?.password ?? "").slice(0, 257),
              address,
            });
            return { id: userId, sessionId };
          } catch (error) {
            // next-auth hands the text of an Error to the page; null becomes "CredentialsSignin".
            // The error comes from outside of this bundle: its class is another one here, its kind is the same.
            const kind =
              typeof error === "object" && error !== null && "kind" in error ? (error.kind as ErrorKind) : null;
            if (kind === "too-many") {
              outcome.retryAfter = Number((error as { details?: { retryAfter?: number } }).details?.retryAfter ?? 60);
              throw new Error(`too-many-${outcome.retryAfter}`);
            }
            if (kind === "unauthenticated") return null;
            throw error;
          }
        },
      }),
      ...oidcProvider(),
    ],
    events: {
      async signOut({ token }) {
        const sessionId = sessionIdOf(token);
        if (token.sub !== undefined && sessionId !== null)
          await checks.signedOut({ userId: token.sub, sessionId, address });
      },
    },
    callbacks: {
      async signIn({ user, account }) {
        if (account?.provider !== "oidc") return true;
        const given = user as {
          id: string;
          email?: string | null;
          name?: string | null;
          role?: Role | null;
          verified?: boolean;
          sessionId?: string;
        };
        if (!given.email || given.verified === false) return false;
        const known = await checks.byOidc({
          subject: given.id,
          email: given.email,
          name: given.name ?? given.email,
          role: given.role ?? null,
          address,
        });
        if (known === null) return false;
        given.id = known.userId;
        given.sessionId = known.sessionId;
        return true;
      },
      async jwt({ token, user }) {
        // Only which session it is: the person, their role and state are read from the database at every request.
        if (user) return { sub: user.id, sid: (user as Partial<SignedIn>).sessionId };
        const id = sessionIdOf(token);
        if (id !== null && (await checks.sessionLives(id))) return token;
        // next-auth takes the cookie away.
        throw new SessionEnded("The session has ended.");
      },
      session({ session }) {
        return { expires: session.expires };
      },
    },
  };
}

class SessionEnded extends Error {}

/** What next-auth has to say holds text of the request: it goes through our log, which escapes it, and not to the console. */
function authLogger(log: Logger): NonNullable<NextAuthOptions["logger"]> {
  return {
    error(code, metadata) {
      const error = metadata instanceof Error ? metadata : "error" in metadata ? metadata.error : undefined;
      const usual = error instanceof SessionEnded || code === "JWT_SESSION_ERROR";
      const fields = { code, ...(error instanceof Error ? { err: error } : {}) };
      if (usual) log.debug(fields, "next-auth: a session cookie was refused");
      else log.error(fields, "next-auth could not answer");
    },
    warn: (code) => log.warn({ code }, "next-auth warns"),
    debug: (code) => log.trace({ code }, "next-auth"),
  };
}
