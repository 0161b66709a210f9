import { NewUser } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { createFirstAdministrator, setupNeeded } from "#lib/services/setup/create-first-administrator.ts";
import { ensureSetupCode, forgetSetupCode } from "#lib/services/setup/setup-code.ts";

/** Unattended starts: the first administrator comes from the environment. Nothing happens when somebody is there already. */
export async function administratorFromEnvironment(services: Services): Promise<void> {
  const email = process.env["SUPRAVISOR_ADMIN_EMAIL"];
  const password = process.env["SUPRAVISOR_ADMIN_PASSWORD"];
  // It has served: nothing that runs in this process later needs to find it there.
  delete process.env["SUPRAVISOR_ADMIN_PASSWORD"];
  if (!email || !password || !(await setupNeeded(services))) return;
  const input = NewUser.omit({ role: true }).safeParse({
    email,
    password,
    name: email.split("@")[0] || "Administrator",
  });
  if (!input.success) {
    throw new AppError(
      "invalid",
      "setup.bad-environment",
      `SUPRAVISOR_ADMIN_EMAIL or SUPRAVISOR_ADMIN_PASSWORD cannot be used: ${input.error.issues.map((issue) => issue.message).join("; ")}.`,
    );
  }
  await createFirstAdministrator(services, input.data, { code: null, address: null });
}

/** Where somebody who can read the server's terminal or its data folder makes the first administrator; null: somebody did. */
export async function setupAddress(services: Services, url: string): Promise<string | null> {
  if (!(await setupNeeded(services))) {
    await forgetSetupCode(services.dataDir);
    return null;
  }
  return `${url.replace(/\/$/, "")}/setup?code=${await ensureSetupCode(services.dataDir)}`;
}
