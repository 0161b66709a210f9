/** Compares library and database once a day, whatever the console's uptime. */
import type { Services } from "#lib/services/context.ts";
import { checkLibrary, lastCheck, readCheck } from "./findings.ts";

const DAY_MS = 24 * 3600_000;
/** How often it is asked whether a day has passed: a laptop sleeps, and clocks are set. */
const LOOK_MS = 15 * 60_000;
/** A start is busy enough without it. */
const FIRST_LOOK_MS = 30_000;

export interface DailyCheck {
  close(): Promise<void>;
}

export function startDailyCheck(services: Services, firstLook = FIRST_LOOK_MS): DailyCheck {
  let work: Promise<void> = Promise.resolve();
  const look = (): void => {
    work = work
      .then(() => whenDue(services))
      .catch((error: unknown) => services.log.error({ err: error }, "comparing library and database failed"));
  };
  const first = setTimeout(look, firstLook);
  const timer = setInterval(look, LOOK_MS);
  first.unref();
  timer.unref();
  return {
    async close() {
      clearTimeout(first);
      clearInterval(timer);
      await work;
    },
  };
}

async function whenDue(services: Services): Promise<void> {
  const last = await lastCheck(services.db);
  const age = last === null ? Number.POSITIVE_INFINITY : Date.now() - Date.parse(last.checkedAt);
  // A time that is yet to come was written by a clock that was wrong.
  if (age >= 0 && age < DAY_MS) return;
  await checkLibrary(services);
  const { findings } = await readCheck(services.db);
  services.events.publish({ type: "library" });
  if (findings.length > 0)
    services.log.warn({ findings: findings.length, first: findings[0]?.place }, "library and database do not agree");
}
