import { UsageError } from "./print-error.ts";

const USUAL_S = 60;
const MOST_S = 3600;

/** SUPRAVISOR_DB_WAIT: how many seconds a start waits for a Postgres that cannot be reached. In milliseconds. */
export function databaseWaitMs(): number {
  const text = process.env["SUPRAVISOR_DB_WAIT"];
  if (text === undefined || text === "") return USUAL_S * 1000;
  const seconds = Number(text);
  if (!(seconds >= 0 && seconds <= MOST_S))
    throw new UsageError(`SUPRAVISOR_DB_WAIT must be a number of seconds from 0 to ${MOST_S}, not ${text}.`);
  return seconds * 1000;
}
