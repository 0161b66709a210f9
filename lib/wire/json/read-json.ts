/** A body of JSON, read while it comes in, with turns for others in between. */
import { AppError } from "#lib/errors.ts";
import { Slices } from "../slices.ts";
import { type JsonLimits, JsonReader } from "./json-reader.ts";

/** Characters that are read before it is asked whether others want a turn. */
const SLICE = 64 * 1024;

export interface ReadJson {
  /** Bytes of the whole body. */
  readonly most: number;
  readonly limits?: Partial<JsonLimits>;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `host.protocol` when it is no JSON, or more than any host says, and what the body throws. */
export async function readJson(body: AsyncIterable<Uint8Array>, { most, limits, signal }: ReadJson): Promise<unknown> {
  const reader = new JsonReader(limits);
  const decoder = new TextDecoder();
  const slices = new Slices();
  let length = 0;
  for await (const bytes of body) {
    length += bytes.length;
    if (length > most)
      throw new AppError("unavailable", "host.protocol", `The host answers with more than ${most} bytes.`);
    const text = decoder.decode(bytes, { stream: true });
    for (let at = 0; at < text.length; at += SLICE) {
      if (slices.over) await slices.rest(signal);
      reader.feed(text.slice(at, at + SLICE));
    }
  }
  reader.feed(decoder.decode());
  return reader.end();
}
