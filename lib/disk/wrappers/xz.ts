/** .xz (https://tukaani.org/xz/xz-file-format.txt), by xz-embedded in WebAssembly: dictionaries up to 64 MiB. */
import xz from "xz-decompress";
import { AppError } from "#lib/errors.ts";
import { refused } from "../image-error.ts";
import type { Meter } from "./packing.ts";

/** What xz-embedded answers (enum xz_ret), which stands in the message. */
const MEMLIMIT = "4";
const OPTIONS = "6";
const BUFFER = "8";

export async function* unxz(input: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  const packed = input[Symbol.asyncIterator]();
  let failed: unknown = null;
  const stream = new xz.XzReadableStream(
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const next = await packed.next();
            if (next.done === true) controller.close();
            else controller.enqueue(next.value);
          } catch (error) {
            failed = error;
            controller.close();
          }
        },
      },
      { highWaterMark: 0 },
    ),
  );
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      // The input's own failure comes before what its end looks like.
      if (failed !== null) throw failed;
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw failed ?? ours(error, meter);
  } finally {
    await reader.cancel().catch(() => undefined);
    await packed.return?.();
  }
}

function ours(error: unknown, meter: Meter): unknown {
  if (!(error instanceof Error) || error instanceof AppError || error.name === "AbortError") return error;
  const answer = /error code (\d+)$/.exec(error.message)?.[1];
  if (answer === BUFFER) return meter.truncated();
  if (answer === MEMLIMIT || answer === OPTIONS) {
    return refused(
      meter.name,
      meter.taken,
      "image.unsupported-feature",
      "is packed with options of xz that are not read here",
      "Unpack it with xz -d first.",
    );
  }
  return meter.corrupt("its packed content is damaged", error);
}
