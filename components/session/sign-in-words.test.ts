import { expect, it } from "vitest";
import { signInError } from "./sign-in-words.ts";

it.each([
  ["CredentialsSignin", "auth.failed"],
  ["too-many-8", "auth.too-many-attempts"],
  ["OAuthCallback", "auth.sso-failed"],
  ["AccessDenied", "auth.access-denied"],
  ["", "auth.sign-in-failed"],
])("%j → %s", (said, code) => expect(signInError(said).code).toBe(code));

it("says how long to wait", () => {
  expect(signInError("too-many-8").message).toContain("in 8 seconds");
  expect(signInError("too-many-1").message).toContain("in 1 second.");
});
