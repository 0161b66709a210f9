import { pino, type Logger } from "pino";

/** JSON lines on stderr: stdout belongs to what a person asked for. Fields that could hold a secret are cut out wherever they stand. */
export function openLog(): Logger {
  return pino(
    {
      level: process.env["SUPRAVISOR_LOG"] ?? "warn",
      base: null,
      redact: {
        paths: ["password", "secret", "token", "privateKey", "passphrase", "clientKey", "authorization", "cookie"].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: "[secret]",
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
