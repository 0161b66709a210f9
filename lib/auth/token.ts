import { createHash, randomBytes } from "node:crypto";

/** Personal API tokens: `svt_` and 32 random bytes. Only the hash is kept. */
export function newToken(): { secret: string; hash: string; prefix: string } {
  const secret = `svt_${randomBytes(32).toString("base64url")}`;
  return { secret, hash: hashToken(secret), prefix: secret.slice(0, 10) };
}

export function hashToken(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
