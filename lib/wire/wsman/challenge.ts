/** What a listener says in WWW-Authenticate: the ways to sign in that it offers, and their tokens. Source: RFC 4559, RFC 9110 11.6. */

const TOKEN = {
  Kerberos: /(?:^|,\s*)Kerberos ([A-Za-z0-9+/=]+)/i,
  NTLM: /(?:^|,\s*)(?:Negotiate|NTLM) ([A-Za-z0-9+/=]+)/,
} as const;

export function offersKerberos(challenge: string | null): boolean {
  return /(?:^|,\s*)Kerberos\b/i.test(challenge ?? "");
}

/** Base64; undefined: there is none. */
export function tokenIn(challenge: string | null, scheme: keyof typeof TOKEN): string | undefined {
  return TOKEN[scheme].exec(challenge ?? "")?.[1];
}
