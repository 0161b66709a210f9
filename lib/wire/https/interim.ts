/** Answers before the answer (RFC 9110, 15.2): each begins the waiting anew, so that a host that sends nothing else would never be late. */
import { AppError } from "#lib/errors.ts";

/** Servers send one or two. */
const MOST = 16;

/** To be called for each of them; `stop` is told once, when they are too many. */
export function countInterim(name: string, stop: (error: AppError) => void): () => void {
  let count = 0;
  return () => {
    count += 1;
    if (count !== MOST) return;
    stop(
      new AppError("unavailable", "host.protocol", `${name} sends interim answers instead of an answer.`, {
        hint: "Something between here and the host may not speak HTTP as it should.",
      }),
    );
  };
}
