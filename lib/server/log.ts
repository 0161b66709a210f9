import { pino, stdSerializers, type DestinationStream, type Logger } from "pino";

/** JSON lines on stderr: stdout belongs to what a person asked for. Fields that could hold a secret are cut out wherever they stand. */
export function openLog(): Logger {
  return pino(
    {
      level: process.env["SUPRAVISOR_LOG"] || "info",
      base: null,
      serializers: { err: serializeError },
      redact: {
        paths: [
          "password",
          "secret",
          "token",
          "privateKey",
          "passphrase",
          "clientKey",
          "authorization",
          "cookie",
        ].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: "[secret]",
      },
    },
    printable(pino.destination({ dest: 2, sync: true })),
  );
}

/** JSON leaves these as they are, and terminals obey some of them: the upper control characters, line separators, changes of direction. */
const UNPRINTABLE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Inside of JSON strings an escape means the same; outside of them these characters do not occur. */
export function printable(out: DestinationStream): DestinationStream {
  return {
    write: (line) =>
      out.write(
        line.replaceAll(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`),
      ),
  };
}

/** A failed query tells its parameters, and among those are hashes and sealed secrets. Its text is enough. */
export function serializeError(error: Error): unknown {
  const plain = stdSerializers.err(error) as { message: string; stack?: string; params?: unknown };
  const cut = (text: string): string => text.replaceAll(/(Failed query: [\s\S]*?)\n?params: [^\n]*/g, "$1");
  const { params: _, ...rest } = plain;
  return { ...rest, message: cut(plain.message), ...(plain.stack === undefined ? {} : { stack: cut(plain.stack) }) };
}
