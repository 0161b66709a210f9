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
  const { params: _, ...rest } = plain;
  return {
    ...rest,
    message: withoutParameters(plain.message),
    ...(plain.stack === undefined ? {} : { stack: withoutParameters(plain.stack) }),
  };
}

const QUERY = "Failed query: ";
const PARAMETERS = "params: ";

/** Behind each failed query, from the first word of its parameters to the end of that line. In one pass: a query holds what people typed. */
function withoutParameters(text: string): string {
  const kept: string[] = [];
  let from = 0;
  for (let query = text.indexOf(QUERY); query >= 0; query = text.indexOf(QUERY, from)) {
    const parameters = text.indexOf(PARAMETERS, query + QUERY.length);
    if (parameters < 0) break;
    kept.push(text.slice(from, text[parameters - 1] === "\n" ? parameters - 1 : parameters));
    const end = text.indexOf("\n", parameters);
    from = end < 0 ? text.length : end;
  }
  return kept.join("") + text.slice(from);
}
