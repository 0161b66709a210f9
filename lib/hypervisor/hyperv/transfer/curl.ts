/** What a host's curl.exe can do, by what it says of itself. */

export interface Curl {
  readonly major: number;
  readonly minor: number;
  /** It leaves TLS to Windows. */
  readonly schannel: boolean;
}

/** `curl 8.9.1 (Windows) libcurl/8.9.1 Schannel zlib/1.3`; null: it said nothing of the kind, so there is none. */
export function readCurl(stdout: string): Curl | null {
  const line = stdout.slice(0, 1000).split(/\r?\n/, 1)[0] ?? "";
  const found = /^curl (\d{1,4})\.(\d{1,4})\b/.exec(line);
  if (found === null) return null;
  return { major: Number(found[1]), minor: Number(found[2]), schannel: /schannel|winssl/i.test(line) };
}

/** With Schannel from 7.60 on: the curl.exe of early Windows Server 2019 is 7.55. */
export const takesCaFile = ({ major, minor, schannel }: Curl): boolean =>
  !schannel || major > 7 || (major === 7 && minor >= 60);
