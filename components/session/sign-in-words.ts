/** What a refused sign-in is called by next-auth or by our own check, in words for a person. */
import { AppError } from "#lib/errors.ts";

export function signInError(code: string): AppError {
  const wait = /^too-many-(\d{1,6})$/.exec(code)?.[1];
  if (wait !== undefined) {
    const seconds = `${wait} ${wait === "1" ? "second" : "seconds"}`;
    return new AppError(
      "too-many",
      "auth.too-many-attempts",
      `There were too many failed attempts. Try again in ${seconds}.`,
      {
        hint: "Attempts are slowed down, never locked out.",
      },
    );
  }
  if (/disabled/i.test(code)) {
    return new AppError("forbidden", "auth.disabled", "This account is disabled.", {
      hint: "Ask an administrator to enable it.",
    });
  }
  if (code === "CredentialsSignin" || /credentials|auth\.failed|wrong|password/i.test(code)) {
    return new AppError("unauthenticated", "auth.failed", "The email or the password is wrong.");
  }
  if (code === "AccessDenied") {
    return new AppError(
      "forbidden",
      "auth.access-denied",
      "Single sign-on succeeded, but this person may not use Supravisor.",
      {
        hint: "Ask an administrator to be given a role.",
      },
    );
  }
  if (/^(OAuth|Callback)/.test(code)) {
    return new AppError("unavailable", "auth.sso-failed", "Single sign-on did not succeed.", {
      hint: "Try again; if it stays so, the server's log has the provider's answer.",
    });
  }
  return new AppError("internal", "auth.sign-in-failed", "Signing in did not succeed.", {
    hint: "The server's log has the reason.",
  });
}
