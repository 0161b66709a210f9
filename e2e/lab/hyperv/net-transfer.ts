/** The transfers that a host without curl does by .NET, done by Node: the same requests, the same pinned certificate. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, readFileSync, statSync } from "node:fs";
import { request } from "node:https";
import { pipeline } from "node:stream/promises";
import type { TLSSocket } from "node:tls";

export interface NetTransfer {
  readonly url: string;
  /** File that holds the header with the token. */
  readonly header: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  readonly path: string;
  /** Null: fetch; else the byte that sending begins at. */
  readonly from: number | null;
  /** Exit code when it fails. */
  readonly failed: number;
}

/** Null: another script. */
export function readScript(script: string): NetTransfer | null {
  const quoted = (before: string): string | null =>
    new RegExp(`${before}'((?:[^']|'')*)'`).exec(script)?.[1]?.replaceAll(/(['\u2018\u2019])\1/g, "$1") ?? null;
  const url = quoted("\\[Net\\.HttpWebRequest\\]::Create\\(");
  const header = quoted("\\$r\\.Headers\\.Add\\(\\[IO\\.File\\]::ReadAllText\\(");
  const fingerprint = quoted("\\[Pin\\]::Of\\(");
  const path = quoted("\\[IO\\.File\\]::Open\\(");
  if (url === null || header === null || fingerprint === null || path === null) return null;
  const from = /ContentLength=\$f\.Length-(\d+)/.exec(script)?.[1];
  const failed = Number(/\nexit (\d+)\}$/.exec(script)?.[1] ?? 1);
  return { url, header, fingerprint, path, from: from === undefined ? null : Number(from), failed };
}

/** Answers the exit code. */
export async function transfer({ url, header, fingerprint, path, from }: NetTransfer): Promise<number> {
  const have = from ?? (existsSync(path) ? statSync(path).size : 0);
  const total = from === null ? 0 : statSync(path).size;
  const [name = "", value = ""] = readFileSync(header, "utf8").trim().split(/:\s*/, 2);
  const headers: Record<string, string | number> = { [name.toLowerCase()]: value };
  if (from === null && have > 0) headers["range"] = `bytes=${have}-`;
  if (from !== null) {
    headers["content-length"] = total - from;
    headers["content-range"] = `bytes ${from}-${total - 1}/${total}`;
  }
  return new Promise((resolve, reject) => {
    const asking = request(url, {
      method: from === null ? "GET" : "PUT",
      headers,
      rejectUnauthorized: false,
      agent: false,
    });
    asking.once("error", reject);
    asking.once("socket", (socket) =>
      socket.once("secureConnect", () => {
        const { raw } = (socket as TLSSocket).getPeerCertificate();
        if (createHash("sha256").update(raw).digest("hex") !== fingerprint)
          return void asking.destroy(
            new Error("Could not establish trust relationship for the SSL/TLS secure channel."),
          );
        if (from === null) asking.end();
        else pipeline(createReadStream(path, { start: from }), asking).catch(reject);
      }),
    );
    asking.once("response", (response) => {
      const status = response.statusCode ?? 0;
      if (status >= 300) return reject(new Error(`The remote server returned an error: (${status}).`));
      if (from !== null) {
        response.resume();
        response.once("end", () => resolve(0));
        return;
      }
      pipeline(response, createWriteStream(path, { flags: "a" })).then(() => resolve(0), reject);
    });
  });
}
