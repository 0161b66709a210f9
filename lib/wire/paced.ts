/** An answer that has to come on: a host that sends a byte now and then is never silent and never done. */
import { AppError } from "#lib/errors.ts";

/** Bytes per second of a line that nobody works with any more. */
const LEAST_PACE = 1024;

export interface Patience {
  /** For messages. */
  readonly name: string;
  /** Milliseconds of waiting that are allowed in any case; 0: without end. */
  readonly ms: number;
}

/**
 * The pieces as they come. Only waiting for the peer counts, not what the caller does between two of them. Throws
 * `host.timeout` when all of the waiting exceeds what is allowed in any case and the time for as many bytes.
 */
export async function* paced(body: AsyncIterable<Uint8Array>, { name, ms }: Patience): AsyncGenerator<Uint8Array> {
  let waited = 0;
  let bytes = 0;
  let since = performance.now();
  for await (const piece of body) {
    waited += performance.now() - since;
    bytes += piece.length;
    if (ms > 0 && waited > ms + (bytes / LEAST_PACE) * 1000) throw tooSlow(name, bytes, waited);
    yield piece;
    since = performance.now();
  }
}

function tooSlow(name: string, bytes: number, waited: number): AppError {
  return new AppError(
    "unavailable",
    "host.timeout",
    `${name} answers too slowly: ${bytes} bytes in ${Math.round(waited / 1000)} s.`,
    { hint: "Check the network between, and that the host is not overloaded." },
  );
}
