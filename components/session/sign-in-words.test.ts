import { expect, it } from "vitest";
import { signInError } from "./sign-in-words.ts";

it.each([
  ["CredentialsSignin", "auth.failed"],
  ["too-many", "auth.rate-limited"],
  ["Too many attempts to sign in. Try again in 15 minutes.", "auth.rate-limited"],
  ["OAuthCallback", "auth.sso-failed"],
  ["AccessDenied", "auth.access-denied"],
  ["", "auth.sign-in-failed"],
])("%j → %s", (said, code) => expect(signInError(said).code).toBe(code));
