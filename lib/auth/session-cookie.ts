/** The browser session: next-auth's encrypted JWT in one cookie. */
import { decode } from "next-auth/jwt";

/** The `__Secure-` prefix makes browsers refuse the cookie over plain HTTP. */
export function sessionCookieName(secure: boolean): string {
  return secure ? "__Secure-supravisor.session" : "supravisor.session";
}

/** UUID of a row in `sessions`: the cookie only names it. */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The session that a cookie of ours names; null for anything else. */
export async function readSessionCookie(
  cookieHeader: string | undefined,
  secret: string,
  secure: boolean,
): Promise<string | null> {
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
  return sessionIdOf(token);
}

/** From the claims of the cookie's token. */
export function sessionIdOf(token: Readonly<Record<string, unknown>> | null): string | null {
  const id = token?.["sid"];
  return typeof id === "string" && ID.test(id) ? id : null;
}
