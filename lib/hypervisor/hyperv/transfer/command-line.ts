/**
 * Command lines of cmd.exe, which WinRS runs them in: a `cmd /c` of their own would leave the `&` to the outer one. What is put in is checked rather than escaped: cmd
 * has no escape that always works.
 */
import { AppError } from "#lib/errors.ts";

/** In quotes. Throws `host.bad-path` for what cmd would take for something else: quotes, percent signs, control characters. */
export function quoted(path: string): string {
  if (/["%\x00-\x1f<>|]/.test(path) || path === "") {
    throw new AppError("unprocessable", "host.bad-path", `The path ${path} cannot be used in a command on the host.`, {
      hint: "Use a folder without quotes and percent signs in its name.",
    });
  }
  return `"${path}"`;
}

/** A variable of the shell (`ShellEnvironment`), as cmd puts it in. */
export const variable = (name: string): string => `%${name}%`;

const echoed = (line: string): string => {
  if (!/^[\w +/=:.-]+$/.test(line.replaceAll(/%[A-Z_]+%/g, "x")))
    throw new AppError("internal", "host.bad-path", "A line cannot be written by echo.");
  return `echo ${line}`;
};

/** A short text file; the lines are base64 and plain words. */
export const writeLines = (path: string, lines: readonly string[]): string =>
  `(${lines.map(echoed).join("& ")})> ${quoted(path)}`;

/** One after another, whatever the ones before have come to; the exit code is the last one's. */
export const inTurn = (...commands: readonly string[]): string => commands.join("& ");

export const makeFolder = (path: string): string => `mkdir ${quoted(path)}`;
/** Names what is there; the exit code depends on the order. */
export const list = (paths: readonly string[]): string => `dir /b /a ${paths.map(quoted).join(" ")}`;
export const remove = (paths: readonly string[]): string => `del /f /q ${paths.map(quoted).join(" ")}`;
export const rename = (from: string, to: string): string => `move /y ${quoted(from)} ${quoted(to)}`;
export const curlVersion = "curl.exe --version";
export const hashFile = (path: string): string => `certutil.exe -hashfile ${quoted(path)} SHA256`;

export interface Transfer {
  readonly url: string;
  /** For `--resolve`; null: the host finds the name of the address by itself. */
  readonly resolve: string | null;
  /** Files on the host that hold the certificate and the header with the token. */
  readonly certificate: string;
  readonly header: string;
}

/**
 * `--ssl-no-revoke`: a certificate of its own has nobody who could revoke it, and Schannel would insist. No proxy that the
 * account may have been given stands between the host and this console. `--resolve`: before 8.11 curl compares only the
 * names in a certificate with Schannel, no addresses.
 */
const curl = (transfer: Transfer): string =>
  [
    'curl.exe -q -sS --fail --noproxy "*" --ssl-no-revoke --connect-timeout 20 --speed-limit 1 --speed-time 60',
    ...(transfer.resolve === null ? [] : ["--resolve", transfer.resolve]),
    `--cacert ${quoted(transfer.certificate)} -H ${quoted(`@${transfer.header}`)}`,
  ].join(" ");

/** Goes on where an earlier attempt ended. */
export const fetchFile = (transfer: Transfer, path: string): string =>
  `${curl(transfer)} -C - -o ${quoted(path)} ${transfer.url}`;
export const sendFile = (transfer: Transfer, path: string, from: number): string =>
  `${curl(transfer)} -C ${from} -T ${quoted(path)} ${transfer.url}`;
