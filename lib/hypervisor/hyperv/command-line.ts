/** Command lines of cmd.exe. What is put in is checked rather than escaped: cmd has no escape that always works. */
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

const echoed = (line: string): string => {
  if (!/^[\w +/=:.-]+$/.test(line))
    throw new AppError("internal", "host.bad-path", "A line cannot be written by echo.");
  return `echo ${line}`;
};

/** A short text file; the lines are base64 and plain words. */
export const writeLines = (path: string, lines: readonly string[]): string =>
  `cmd /c (${lines.map(echoed).join("& ")})> ${quoted(path)}`;

export const makeFolder = (path: string): string => `cmd /c mkdir ${quoted(path)}`;
export const list = (path: string): string => `cmd /c dir /b /a ${quoted(path)}`;
export const remove = (path: string): string => `cmd /c del /f /q ${quoted(path)}`;
export const rename = (from: string, to: string): string => `cmd /c move /y ${quoted(from)} ${quoted(to)}`;
export const hashFile = (path: string): string => `certutil.exe -hashfile ${quoted(path)} SHA256`;

export interface Transfer {
  readonly url: string;
  /** Files on the host that hold the certificate and the header with the token. */
  readonly certificate: string;
  readonly header: string;
}

/** `--ssl-no-revoke`: a certificate of its own has nobody who could revoke it, and Schannel would insist. */
const curl = (transfer: Transfer): string =>
  `curl.exe -q -sS --fail --ssl-no-revoke --connect-timeout 20 --speed-limit 1 --speed-time 60 --cacert ${quoted(transfer.certificate)} -H ${quoted(`@${transfer.header}`)}`;

/** Goes on where an earlier attempt ended. */
export const fetchFile = (transfer: Transfer, path: string): string =>
  `${curl(transfer)} -C - -o ${quoted(path)} ${transfer.url}`;
export const sendFile = (transfer: Transfer, path: string, from: number): string =>
  `${curl(transfer)} -C ${from} -T ${quoted(path)} ${transfer.url}`;
