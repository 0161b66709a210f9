/** The data folder itself, when it cannot be used: why, and what to do. */
import { AppError } from "#lib/errors.ts";

const REASONS: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOSPC: ["there is no space left", "Free space on its file system and start again."],
  EDQUOT: ["its quota is used up", "Free space, or raise the quota, and start again."],
  EROFS: ["its file system is read-only", "Mount it for writing and start again."],
  EACCES: ["this account has no rights there", "Give the folder to the account that runs Supravisor."],
  EPERM: ["this account has no rights there", "Give the folder to the account that runs Supravisor."],
  ENOTDIR: ["a part of its path is a file", "Correct SUPRAVISOR_DATA_DIR."],
  EEXIST: ["a file has its name", "Correct SUPRAVISOR_DATA_DIR."],
  EIO: ["the disk fails to read or write", "Look into the system's log before anything else."],
};

/** `data.unusable` for what the system refuses; anything else as it is. */
export function folderProblem(dataDir: string, error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error) || !("code" in error)) return error;
  const known = REASONS[String(error.code)];
  if (known === undefined) return error;
  const [why, hint] = known;
  return new AppError("unavailable", "data.unusable", `The data folder ${dataDir} cannot be used: ${why}.`, {
    hint,
    cause: error,
  });
}
