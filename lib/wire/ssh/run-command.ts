/** One command on the other side, to its end. */
import type { Client } from "ssh2";
import { AppError } from "#lib/errors.ts";
import { BytePieces } from "../byte-pieces.ts";

export interface CommandResult {
  /** Null: it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** More on stdout than this ends it with `host.protocol`. */
  readonly maxBytes: number;
}

const STDERR_BYTES = 256 * 1024;

/** Throws `host.timeout`, `host.protocol`, the signal's reason, and ssh2's errors when the connection is gone. */
export function runCommand(client: Client, command: string, options: RunOptions): Promise<CommandResult> {
  const { signal, timeoutMs, maxBytes } = options;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    let stopped = false;
    let stop = (): void => undefined;
    const fail = (error: unknown): void => {
      if (stopped) return;
      stopped = true;
      done();
      stop();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const onAbort = (): void => fail(signal?.reason);
    const onLost = (): void => fail(new Error("The connection was closed."));
    const timer = setTimeout(
      () =>
        fail(
          new AppError(
            "unavailable",
            "host.timeout",
            `A command on the host gave no answer for ${timeoutMs / 1000} s.`,
          ),
        ),
      timeoutMs,
    );
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      client.removeListener("close", onLost);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    client.once("close", onLost);
    client.exec(command, (error, channel) => {
      if (error) return fail(error);
      stop = () => {
        // Servers that cannot signal see the closed channel.
        channel.signal("INT");
        channel.close();
      };
      if (stopped) return stop();
      const out = new BytePieces();
      const said = new BytePieces();
      let code: number | null = null;
      channel.on("data", (chunk: Buffer) => {
        if (out.length + chunk.length > maxBytes)
          return fail(
            new AppError("unavailable", "host.protocol", `The host answers with more than ${maxBytes} bytes.`),
          );
        out.add(chunk);
      });
      channel.stderr.on("data", (chunk: Buffer) => {
        said.add(chunk.subarray(0, STDERR_BYTES - said.length));
      });
      channel.on("exit", (exit: number | null) => {
        code = exit;
      });
      channel.on("close", () => {
        if (stopped) return;
        stopped = true;
        done();
        resolve({ code, stdout: out.bytes().toString("utf8"), stderr: said.bytes().toString("utf8") });
      });
      channel.end();
    });
  });
}
