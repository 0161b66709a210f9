/** Signing in as a browser does: next-auth's two steps, by hand, so that each can be bent. */
import { ask, type Answer } from "./ask.ts";

export interface BrowserSignIn {
  readonly outcome: "ok" | "wrong" | "too-many" | "other";
  /** The session's cookie header; null when nobody was let in. */
  readonly cookie: string | null;
  readonly answer: Answer;
}

export function cookiesOf(answer: Answer): string {
  return (answer.headers["set-cookie"] ?? [])
    .map((line) => line.split(";", 1)[0] ?? "")
    .filter((pair) => !pair.endsWith("="))
    .join("; ");
}

/** The token and the cookie that next-auth wants together with a form. */
export async function formTicket(url: string, from: string): Promise<{ token: string; cookie: string }> {
  const answer = await ask(url, "GET", "/api/auth/csrf", { from });
  return { token: (answer.json as { csrfToken?: string } | null)?.csrfToken ?? "", cookie: cookiesOf(answer) };
}

export async function signInByBrowser(
  url: string,
  person: { email: string; password: string },
  from: string,
  more: { headers?: Readonly<Record<string, string>>; path?: string } = {},
): Promise<BrowserSignIn> {
  const ticket = await formTicket(url, from);
  const form = new URLSearchParams({
    csrfToken: ticket.token,
    email: person.email,
    password: person.password,
    json: "true",
    callbackUrl: "/",
  });
  const answer = await ask(url, "POST", more.path ?? "/api/auth/callback/credentials", {
    from,
    raw: form.toString(),
    headers: { "content-type": "application/x-www-form-urlencoded", cookie: ticket.cookie, ...more.headers },
  });
  const session = cookiesOf(answer)
    .split("; ")
    .filter((pair) => pair.includes("supravisor.session"))
    .join("; ");
  const said = answer.text + (answer.headers.location ?? "");
  if (session !== "") return { outcome: "ok", cookie: session, answer };
  if (/too-many/.test(said) || answer.status === 429) return { outcome: "too-many", cookie: null, answer };
  if (/CredentialsSignin/.test(said)) return { outcome: "wrong", cookie: null, answer };
  return { outcome: "other", cookie: null, answer };
}

/** Headers that our own page would send along with its cookie. */
export function ownPage(url: string, cookie: string): Record<string, string> {
  return { cookie, origin: new URL(url).origin, "sec-fetch-site": "same-origin" };
}
