/** The bytes of one file on their way to a host: a sink that is one POST. */
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { HttpsPeer } from "#lib/wire/https/https-peer.ts";
import { EarlyAnswer, type HttpsUpload, type UploadAnswer } from "#lib/wire/https/https-upload.ts";
import type { Lease, LeaseDevice } from "./lease.ts";

/** After the last byte the host still unpacks what it got. */
const ANSWER_MS = 600_000;
const ZEROS = Buffer.alloc(1024 ** 2);

function late(name: string): AppError {
  return new AppError("unavailable", "host.timeout", `${name} got the whole disk and does not say that it has it.`, {
    hint: "Check that the host's storage is not overloaded.",
  });
}

/** Owns the lease: committing completes it, disposing without that gives it up. */
export async function leaseSink(
  lease: Lease,
  device: LeaseDevice,
  virtualSize: number,
  signal?: AbortSignal,
): Promise<ByteSink> {
  const stop = new AbortController();
  const why = async (error: unknown): Promise<unknown> => {
    if (signal?.aborted === true) return signal.reason;
    if (lease.lost.aborted) return lease.lost.reason;
    if (stop.signal.aborted) return error;
    return await lease.explain(error instanceof EarlyAnswer ? refused(error) : error);
  };
  const given = AbortSignal.any([stop.signal, lease.lost, ...(signal === undefined ? [] : [signal])]);
  let peer: HttpsPeer;
  let upload: HttpsUpload;
  try {
    let path: string;
    ({ peer, path } = await lease.target(device, given));
    upload = await peer.upload({
      method: "POST",
      path,
      headers: { "content-type": "application/x-vnd.vmware-streamVmdk" },
      signal: given,
    });
  } catch (error) {
    const reason = await why(error);
    await lease[Symbol.asyncDispose]();
    throw reason;
  }
  let at = 0;
  const send = async (bytes: Uint8Array, stopped?: AbortSignal): Promise<void> => {
    stopped?.throwIfAborted();
    await upload.write(bytes).catch(async (error: unknown) => {
      throw await why(error);
    });
    at += bytes.length;
    // A packed disk is smaller than what the guest sees: the figure is for the host's task list.
    lease.percent = Math.min(99, (at / Math.max(1, virtualSize)) * 100);
  };
  const skip = async (to: number, stopped?: AbortSignal): Promise<void> => {
    if (to < at) throw new AppError("internal", "io.backwards", "A stream cannot go back.");
    while (at < to) await send(ZEROS.subarray(0, to - at), stopped);
  };
  return {
    seekable: false,
    async write(offset, bytes, stopped) {
      await skip(offset, stopped);
      await send(bytes, stopped);
    },
    async commit(length, stopped) {
      await skip(length, stopped);
      const timer = setTimeout(() => stop.abort(late(peer.name)), ANSWER_MS);
      try {
        const answer = await upload.end();
        if (answer.status < 200 || answer.status >= 300) throw refused(answer);
      } catch (error) {
        throw await why(error);
      } finally {
        clearTimeout(timer);
      }
      await lease.complete(stopped);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new AppError("cancelled", "cancelled", "The upload was given up."));
      await upload[Symbol.asyncDispose]();
      await lease[Symbol.asyncDispose]();
    },
  };
}

function refused({ status, words }: UploadAnswer): AppError {
  return new AppError(
    "unprocessable",
    "host.refused",
    `The host refused the disk with HTTP status ${status}${words === "" ? "" : `: ${words.slice(0, 300)}`}.`,
    { details: { status } },
  );
}
