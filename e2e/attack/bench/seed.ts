/** What no API can make: an account's token that has expired already. Written before the console opens the folder. */
import { openDatabase } from "#lib/db/client.ts";
import { apiTokens, users } from "#lib/db/schema.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { newToken } from "#lib/auth/token.ts";
import { ADMIN } from "#e2e/helpers/console.ts";

const HOUR = 3_600_000;

/** The first administrator, and the secret of a token of theirs that ended an hour ago. */
export async function seedExpiredToken(dataDir: string): Promise<string> {
  const database = await openDatabase({ dataDir });
  try {
    const [admin] = await database.db
      .insert(users)
      .values({
        email: ADMIN.email,
        name: ADMIN.name,
        role: "administrator",
        passwordHash: await hashPassword(ADMIN.password),
      })
      .returning();
    const { secret, hash, prefix } = newToken();
    await database.db.insert(apiTokens).values({
      userId: admin!.id,
      name: "expired",
      role: "administrator",
      hash,
      prefix,
      createdAt: new Date(Date.now() - 48 * HOUR),
      expiresAt: new Date(Date.now() - HOUR),
    });
    return secret;
  } finally {
    await database.close();
  }
}
