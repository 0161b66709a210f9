/**
 * Trouble of the database itself, told apart from a wrong query: connections that break or are refused, a server that
 * starts, stops, is full or takes no writes. Whoever asked is not at fault, and most of it passes.
 */
import { DrizzleQueryError } from "drizzle-orm";
import { AppError } from "#lib/errors.ts";

export type DatabaseTrouble =
  | "unreachable" // no connection, or it broke
  | "overloaded" // no free connection, no memory
  | "read-only" // a standby, or a database that was set so
  | "full" // no space left where the data lies
  | "timeout" // the statement or a lock took too long
  | "conflict" // two transactions were in each other's way
  | "refused" // our account, password or database is not known there
  | "no-rights" // the files of the embedded database belong to somebody else
  | "broken"; // reading or writing the data itself fails

export interface DatabaseProblem {
  readonly trouble: DatabaseTrouble;
  /** The same may work a moment later. */
  readonly transient: boolean;
  /** When to ask again, in seconds. */
  readonly retryAfter: number;
  /** For people: `db.unavailable`, or `db.full` when space is what is missing. */
  readonly error: AppError;
}

/** Null when the error has another cause than the state of the database. */
export function databaseProblem(error: unknown): DatabaseProblem | null {
  const trouble = troubleOf(error);
  return trouble === null ? null : { trouble, ...KNOWN[trouble], error: inWords(trouble, error) };
}

/** The database's trouble of a moment: work that hit it is to be tried again and has not failed. */
export function isTransient(error: unknown): boolean {
  return databaseProblem(error)?.transient ?? false;
}

const KNOWN: Record<DatabaseTrouble, { readonly transient: boolean; readonly retryAfter: number }> = {
  unreachable: { transient: true, retryAfter: 5 },
  overloaded: { transient: true, retryAfter: 5 },
  "read-only": { transient: true, retryAfter: 10 },
  full: { transient: true, retryAfter: 30 },
  timeout: { transient: true, retryAfter: 5 },
  conflict: { transient: true, retryAfter: 1 },
  refused: { transient: false, retryAfter: 30 },
  "no-rights": { transient: false, retryAfter: 30 },
  broken: { transient: false, retryAfter: 30 },
};

const WORDS: Record<DatabaseTrouble, { readonly message: string; readonly hint: string }> = {
  unreachable: {
    message: "The database cannot be reached at the moment.",
    hint: "Try again shortly. If it stays so, check that the database server runs and can be reached from here.",
  },
  overloaded: {
    message: "The database takes no more work at the moment.",
    hint: "Try again shortly. If it stays so, look at its limits: connections (max_connections) and memory.",
  },
  "read-only": {
    message: "The database is read-only at the moment: nothing can be changed.",
    hint: "Try again shortly. If it stays so, point DATABASE_URL at the primary server.",
  },
  full: {
    message: "There is no space left for the database: nothing can be changed.",
    hint: "Free space, or enlarge the file system of the database. Nothing that was stored is lost, and no restart is needed.",
  },
  timeout: {
    message: "The database took too long to answer.",
    hint: "Try again shortly. If it stays so, the database server is overloaded, or somebody holds a lock.",
  },
  conflict: {
    message: "Somebody else changed the same data at the same moment.",
    hint: "Try again.",
  },
  refused: {
    message: "The database server refuses the account, the password or the database of Supravisor.",
    hint: "Check DATABASE_URL and the rights of its user.",
  },
  "no-rights": {
    message: "Supravisor may not read or write the files of its database.",
    hint: "Give the folder db in the data folder, and all in it, to the account that runs Supravisor.",
  },
  broken: {
    message: "The database fails to read or write its data.",
    hint: "Look into the logs of the database and of the machine's disks before anything is changed or restored.",
  },
};

/** SQLSTATE of Postgres, which PGlite uses as well. A whole class by its first two characters. */
function troubleOfState(state: string, message: string): DatabaseTrouble | null {
  switch (state) {
    case "53100":
      return "full";
    case "25006":
      return "read-only";
    case "40001":
    case "40P01":
      return "conflict";
    case "57014":
    case "55P03":
    case "25P03":
      return "timeout";
    // Also said of tables that the account may not touch; files and their system's own words tell the two apart.
    case "42501":
      if (/read-only file system/i.test(message)) return "read-only";
      return /could not (open|create|write|access|remove|rename|stat|fsync)/i.test(message) ? "no-rights" : null;
    case "3D000":
      return "refused";
    case "XX001":
    case "XX002":
      return "broken";
    default:
  }
  switch (state.slice(0, 2)) {
    case "08":
      return "unreachable";
    case "28":
      return "refused";
    case "53":
      return "overloaded";
    case "57":
      return /^57P0[1-5]$/.test(state) ? "unreachable" : null;
    case "58":
      return /no space left/i.test(message) ? "full" : "broken";
    default:
      return null;
  }
}

/** Errors of Node's sockets and name service. */
const SOCKET: Readonly<Record<string, DatabaseTrouble>> = {
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  ECONNABORTED: "unreachable",
  EPIPE: "unreachable",
  ETIMEDOUT: "unreachable",
  EHOSTUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
};

/** PGlite's files are reached through WASI, whose numbers these are. */
const WASI: Readonly<Record<number, DatabaseTrouble>> = {
  2: "no-rights", // EACCES
  19: "full", // EDQUOT
  29: "broken", // EIO
  51: "full", // ENOSPC
  63: "no-rights", // EPERM
  69: "read-only", // EROFS
};

/** pg says these without a code. */
const UNREACHABLE_WORDS = new Set([
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "Cannot use a pool after calling end on the pool",
  "timeout expired",
  "PGlite is closed",
]);
/** Of the pool: all its connections are busy, or the server accepts none. */
const POOL_WORDS = "timeout exceeded when trying to connect";
const QUERY_WORDS = "Query read timeout";

/**
 * Looks through what wraps the cause. A broken connection counts only when nothing but the database's own layers are
 * around it: below a failed `fetch` or an error of a host it is somebody else's.
 */
function troubleOf(error: unknown): DatabaseTrouble | null {
  let ours = true;
  const seen = new Set<unknown>();
  for (let at = error; typeof at === "object" && at !== null && !seen.has(at); at = "cause" in at ? at.cause : null) {
    seen.add(at);
    if (!(at instanceof AppError)) {
      const found = troubleOfLayer(at, ours);
      if (found !== null) return found;
    }
    ours &&= isWrapper(at);
  }
  return null;
}

function troubleOfLayer(layer: object, ours: boolean): DatabaseTrouble | null {
  const { name, code, errno, syscall, message } = layer as Partial<Record<keyof NodeJS.ErrnoException, unknown>>;
  const text = typeof message === "string" ? message : "";
  const found = typeof code === "string" ? troubleOfState(code, text) : null;
  if (found !== null || !ours) return found;
  if (name === "ErrnoError" && typeof errno === "number") return WASI[errno] ?? "broken";
  // No unix socket there, or not for us.
  if (syscall === "connect" && (code === "ENOENT" || code === "EACCES")) return "unreachable";
  if (typeof code === "string" && SOCKET[code] !== undefined) return SOCKET[code];
  if (UNREACHABLE_WORDS.has(text)) return "unreachable";
  if (text === POOL_WORDS) return "overloaded";
  return text === QUERY_WORDS ? "timeout" : null;
}

function isWrapper(layer: object): boolean {
  return layer instanceof DrizzleQueryError || (layer instanceof AppError && layer.code.startsWith("db."));
}

function inWords(trouble: DatabaseTrouble, cause: unknown): AppError {
  const { message, hint } = WORDS[trouble];
  return new AppError("unavailable", trouble === "full" ? "db.full" : "db.unavailable", message, {
    hint,
    cause,
    details: { reason: trouble, retryAfter: KNOWN[trouble].retryAfter },
  });
}
