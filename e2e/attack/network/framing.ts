/** Where one request ends and the next one begins: what can be read in two ways is refused. */
import { ask } from "../bench/ask.ts";
import { CANARY, type Bench } from "../bench/bench.ts";
import { exchange } from "../bench/wire.ts";

const HIDDEN = "/api/v1/health?hidden";

/** Heads of a POST whose length two readers may see differently; the bytes behind hold another request. */
function ambiguous(host: string): Record<string, string> {
  const hidden = `GET ${HIDDEN} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const post = (fields: string, body: string) =>
    `POST /api/v1/login HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n${fields}\r\n\r\n${body}`;
  const chunked = `0\r\n\r\n${hidden}`;
  const te: Record<string, string> = {
    "plain and length": "Transfer-Encoding: chunked",
    "unknown coding": "Transfer-Encoding: xchunked",
    "chunked then identity": "Transfer-Encoding: chunked, identity",
    identity: "Transfer-Encoding: identity",
    "chunked twice": "Transfer-Encoding: chunked, chunked",
    "two headers": "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "tab before": "Transfer-Encoding:\tchunked",
    "vertical tab": "Transfer-Encoding: \u000bchunked",
    "blank before the colon": "Transfer-Encoding : chunked",
    folded: "Transfer-Encoding:\r\n chunked",
    "upper case": "Transfer-Encoding: CHUNKED",
    quoted: 'Transfer-Encoding: "chunked"',
    "folded into another": "X: x\r\n Transfer-Encoding: chunked",
    "bare line feed": "X: x\nTransfer-Encoding: chunked",
    "bare carriage return": "X: x\rTransfer-Encoding: chunked",
    "NUL in the name": "Transfer-Encoding\u0000: chunked",
  };
  return {
    ...Object.fromEntries(
      Object.entries(te).map(([name, field]) => [
        `transfer coding and length: ${name}`,
        post(`Content-Length: ${chunked.length}\r\n${field}`, chunked),
      ]),
    ),
    "two lengths, shorter first": post(`Content-Length: 2\r\nContent-Length: ${2 + hidden.length}`, `{}${hidden}`),
    "two lengths, longer first": post(`Content-Length: ${2 + hidden.length}\r\nContent-Length: 2`, `{}${hidden}`),
    "two lengths in one": post(`Content-Length: 2, ${2 + hidden.length}`, `{}${hidden}`),
    "length with a plus": post("Content-Length: +2", `{}${hidden}`),
    "negative length": post("Content-Length: -2", `{}${hidden}`),
    "hexadecimal length": post("Content-Length: 0x2", `{}${hidden}`),
    "length with an exponent": post("Content-Length: 2e0", `{}${hidden}`),
    "length with a blank": post("Content-Length: 2 2", `{}${hidden}`),
    "enormous length": post("Content-Length: 99999999999999999999999", `{}${hidden}`),
    "chunk size with a sign": post("Transfer-Encoding: chunked", `+2\r\n{}\r\n0\r\n\r\n${hidden}`),
    "chunk size too large": post("Transfer-Encoding: chunked", `fffffffffffffffff\r\n{}\r\n0\r\n\r\n${hidden}`),
    "chunk ended by a line feed": post("Transfer-Encoding: chunked", `2\n{}\n0\n\n${hidden}`),
    "chunk extension with a line feed": post("Transfer-Encoding: chunked", `2;x\ny\r\n{}\r\n0\r\n\r\n${hidden}`),
    "GET with a body": `GET /api/v1/health HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  };
}

/** Whole requests that must be refused or at least do no harm. */
function malformed(host: string): Record<string, string> {
  const get = (fields: string, line = "GET /api/v1/hosts HTTP/1.1") => `${line}\r\n${fields}\r\n\r\n`;
  return {
    "no host": get("X: x"),
    "two hosts": get(`Host: ${host}\r\nHost: evil.example`),
    "empty host": get("Host: "),
    "NUL in a value": get(`Host: ${host}\r\nX: a\u0000b`),
    "control characters in a value": get(`Host: ${host}\r\nX: \u001b[31m`),
    "an enormous header": get(`Host: ${host}\r\nX: ${"a".repeat(200_000)}`),
    "an enormous cookie": get(`Host: ${host}\r\nCookie: supravisor.session=${"a".repeat(60_000)}`),
    "ten thousand headers": get(
      `Host: ${host}\r\n${Array.from({ length: 10_000 }, (_, n) => `X${n}: x`).join("\r\n")}`,
    ),
    "an enormous path": get(`Host: ${host}`, `GET /${"a".repeat(100_000)} HTTP/1.1`),
    "an enormous query": get(`Host: ${host}`, `GET /api/v1/hosts?${"a=b&".repeat(20_000)} HTTP/1.1`),
    "HTTP 0.9": "GET /api/v1/hosts\r\n\r\n",
    "HTTP 1.0": "GET /api/v1/hosts HTTP/1.0\r\n\r\n",
    "HTTP 3.0": get(`Host: ${host}`, "GET /api/v1/hosts HTTP/3.0"),
    "HTTP 2 without TLS": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000",
    "upgrade to HTTP 2": get(
      `Host: ${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__`,
    ),
    "upgrade to a web socket": get(
      `Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==`,
    ),
    "upgrade of a page": get(
      `Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==`,
      "GET /_next/webpack-hmr HTTP/1.1",
    ),
    TLS: "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
    "line feeds alone": `GET /api/v1/hosts HTTP/1.1\nHost: ${host}\n\n`,
    "a header before the line": `X: x\r\nGET /api/v1/hosts HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    "connection header that drops another": get(
      `Host: ${host}\r\nConnection: close, authorization, x-supravisor-address`,
    ),
    "expect something": get(`Host: ${host}\r\nExpect: 200-ok`),
    "range of a page": get(`Host: ${host}\r\nRange: bytes=0-0,1-1,2-2,${"3-3,".repeat(2000)}4-4`),
  };
}

/** For answers that must come, and after which the console closes. */
const PATIENCE_MS = 60_000;

export async function framing(bench: Bench): Promise<void> {
  const { host } = new URL(bench.url);
  const hidden = bench.tally.row("network", "requests hidden in the body of another");
  await together(Object.entries(ambiguous(host)), async ([name, bytes]) => {
    const { statuses, text } = await exchange(bench.url, [bytes], { quietMs: 1200, from: bench.address() });
    const ran = /"status":"(ok|degraded)"/.test(text) && !name.startsWith("GET");
    hidden.check(!ran && statuses.length <= 1, `${name}: answers ${statuses.join(", ")}`);
  });
  const bad = bench.tally.row("network", "malformed requests");
  await together(Object.entries(malformed(host)), async ([name, bytes]) => {
    const { statuses, text } = await exchange(bench.url, [bytes], { quietMs: 2500 });
    bad.check(
      !text.includes(CANARY) &&
        !statuses.some(
          (status) =>
            status === 101 || (status >= 200 && status < 300) || (status >= 500 && ![501, 503, 505].includes(status)),
        ),
      `${name}: ${statuses.join(", ")}`,
    );
  });
  const bytewise = bench.tally.row("network", "requests that come byte by byte");
  const request = `GET /api/v1/health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  const slow = await exchange(bench.url, [...request], { gapMs: 3, quietMs: PATIENCE_MS });
  bytewise.check(slow.statuses.join() === "200", `a request of one byte a packet: ${slow.statuses.join(", ")}`);
  const pieces = [...'{"email":"a@b.test","password":"x"}'].map((c) => `1\r\n${c}\r\n`);
  const chunks = await exchange(
    bench.url,
    [
      `POST /api/v1/login HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ...pieces,
      "0\r\n\r\n",
    ],
    { gapMs: 2, quietMs: PATIENCE_MS, from: bench.address() },
  );
  bytewise.check(
    chunks.statuses.length === 1 && chunks.statuses[0]! >= 400 && chunks.statuses[0]! < 500,
    `a body in chunks of one byte: ${chunks.statuses.join(", ")}`,
  );
  const after = await ask(bench.url, "GET", "/api/v1/health");
  bytewise.check(after.status === 200, `health after all of that: ${after.status}`);
}

/** Most of them wait for the other side to close: eight at a time. */
async function together<T>(items: readonly T[], one: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 8) await Promise.all(items.slice(at, at + 8).map(one));
}
