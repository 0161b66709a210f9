import type { NextAuthOptions } from "next-auth";
import CredentialsProvider from "next-auth/providers/credentials";
import type { Role } from "#lib/domain/role.ts";
import type { ErrorKind } from "#lib/errors.ts";
import { oidcRoleRules, roleFromClaim } from "./oidc-role.ts";
import { accountChecks } from "./registry.ts";
import { SESSION_SECONDS, sessionCookieName } from "./session-cookie.ts";

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

/** Built per request: the server puts its functions in place after Next has loaded this module. */
export function nextAuthOptions(address: string | null): NextAuthOptions {
  const checks = accountChecks();
  return {
    secret: checks.secret,
    session: { strategy: "jwt", maxAge: SESSION_SECONDS },
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
            const user = await checks.byPassword({
              email: credentials?.email ?? "",
              password: credentials?.password ?? "",
              address,
            });
            return { id: user.id, epoch: user.epoch };
          } catch (error) {
            // next-auth hands the text of an Error to the page; null becomes "CredentialsSignin".
            // The error comes from outside of this bundle: its class is another one here, its kind is the same.
            const kind =
              typeof error === "object" && error !== null && "kind" in error ? (error.kind as ErrorKind) : null;
            if (kind === "too-many") throw new Error("too-many");
            if (kind === "unauthenticated") return null;
            throw error;
          }
        },
      }),
      ...oidcProvider(),
    ],
    events: {
      async signOut({ token }) {
        if (token.sub !== undefined) await checks.signedOut({ userId: token.sub, address });
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
          epoch?: number;
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
        given.id = known.id;
        given.epoch = known.epoch;
        return true;
      },
      jwt({ token, user }) {
        // Only who it is: role and state are read from the database at every request.
        if (!user) return token;
        return { sub: user.id, epoch: (user as { epoch?: number }).epoch ?? 0 };
      },
      session({ session }) {
        return { expires: session.expires };
      },
    },
  };
}
