/** Does the key at hand open what this database holds? Asked at the start, not when the first host fails. */
import { eq } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { settings } from "#lib/db/schema.ts";
import type { SecretBox } from "./box.ts";

const KEY = "secret-check";
const PLAIN = "supravisor";

/** "none": nothing was sealed yet to compare with. */
export async function checkSecretKey(db: Db, secrets: SecretBox): Promise<"same" | "other" | "none"> {
  const [row] = await db.select().from(settings).where(eq(settings.key, KEY));
  if (typeof row?.value !== "string") return "none";
  try {
    return secrets.open(row.value, KEY) === PLAIN ? "same" : "other";
  } catch {
    return "other";
  }
}

/** Something was sealed under a key of this installation already. */
export async function hasSeal(db: Db): Promise<boolean> {
  return (await db.select().from(settings).where(eq(settings.key, KEY))).length > 0;
}

/** From now on this key is the installation's. */
export async function rememberSecretKey(db: Db, secrets: SecretBox): Promise<void> {
  const value = secrets.seal(PLAIN, KEY);
  await db.insert(settings).values({ key: KEY, value }).onConflictDoUpdate({ target: settings.key, set: { value } });
}
