/** The browser session: next-auth's encrypted JWT in one cookie. */
import { decode } from "next-auth/jwt";

export const SESSION_SECONDS = 12 * 3600;

/** The `__Secure-` prefix makes browsers refuse the cookie over plain HTTP. */
export function sessionCookieName(secure: boolean): string {
  return secure ? "__Secure-supravisor.session" : "supravisor.session";
}

export interface SessionClaims {
  readonly userId: string;
  readonly epoch: number;
}

/** Null for anything that is not a valid, unexpired session of ours. */
export async function readSessionCookie(
  cookieHeader: string | undefined,
  secret: string,
  secure: boolean,
): Promise<SessionClaims | null> {
  const name = sessionCookieName(secure);
  const parts = (cookieHeader ?? "").split(/;\s*/).map((pair) => pair.split("="));
  // next-auth cuts a long token into `name.0`, `name.1`, …
  const value = parts
    .flatMap(([key, text]) => (key === name || key?.startsWith(`${name}.`) ? [{ key, text: text ?? "" }] : []))
    .sort((a, b) => a.key.localeCompare(b.key))
    .map((part) => part.text)
    .join("");
  if (value === "") return null;
  const token = await decode({ token: decodeURIComponent(value), secret }).catch(() => null);
  const userId = token?.["sub"];
  const epoch = token?.["epoch"];
  return typeof userId === "string" && typeof epoch === "number" ? { userId, epoch } : null;
}
