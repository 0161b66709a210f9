/** Import from a URL: the console fetches nothing from its own machine or network unless an administrator allowed it. */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { networkInterfaces, hostname } from "node:os";
import { until } from "#e2e/helpers/api.ts";
import type { Bench, SettledImage } from "../bench/bench.ts";
import { listen } from "./listener.ts";

const BYTES = Buffer.alloc(4096, "only this machine may read it ");
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

/** Spellings of one IPv4 address that some reader of URLs takes for it. */
export function spellingsOf(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (n: number, width = 2) => n.toString(16).padStart(width, "0");
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole, 8)}`,
    `0${whole.toString(8)}`,
    `0x${hex(a)}.0x${hex(b)}.0x${hex(c)}.0x${hex(d)}`,
    `0${a.toString(8)}.0${b.toString(8)}.0${c.toString(8)}.0${d.toString(8)}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `%31${address.slice(1)}`,
    address.replaceAll(".", "。"),
    [...address].map((sign) => (/\d/.test(sign) ? String.fromCodePoint(0xff10 + Number(sign)) : sign)).join(""),
    `[::ffff:${address}]`,
    `[::ffff:${hex(a)}${hex(b)}:${hex(c)}${hex(d)}]`,
    `[0:0:0:0:0:ffff:${address}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[2002:${hex(a)}${hex(b)}:${hex(c)}${hex(d)}::]`,
  ];
}

const NAMES = [
  "localhost",
  "localhost.",
  "LOCALHOST",
  "ip6-localhost",
  "x.localhost",
  "a-127-0-0-1.attack.example",
  "a-127-0-0-1.attack.example.",
  "A-127-0-0-1.ATTACK.EXAMPLE",
  "a-127-0-0-1-127-0-0-2.attack.example",
  "r-127-0-0-2-127-0-0-1.attack.example",
];
const PRIVATE = [
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.254",
  "192.0.0.192",
  "192.168.0.1",
  "198.18.0.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
];
const PRIVATE6 = [
  "[::]",
  "[::1]",
  "[fe80::1]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[ff02::1]",
  "[2001:db8::1]",
  "[100::1]",
  "[fec0::1]",
];

const REFUSED = new Set(["import.private-address", "import.bad-url", "request.invalid"]);

interface Outcome {
  readonly state: string;
  readonly code: string | null;
  readonly message: string;
}

/** An address is refused as soon as its turn comes; a name that leads nowhere may be tried for a while, and is then given up here. */
const NAME_PATIENCE_MS = 10_000;
const ADDRESS_PATIENCE_MS = 120_000;

export async function importUrl(bench: Bench, url: string, sha256: string, patienceMs: number): Promise<Outcome> {
  const begun = await bench.api("POST", "/images/import-url", {
    as: bench.operator,
    body: { url, sha256, from: "raw" },
  });
  if (begun.status !== 202) return { code: begun.code, message: begun.text, state: "refused" };
  const { image, jobId } = begun.json as { image: { id: string }; jobId: string };
  const settled = await until(
    url,
    () => bench.ok<SettledImage>("GET", `/images/${image.id}`, { as: bench.operator }),
    (answer) => ["ready", "failed"].includes(answer.latest.state),
    patienceMs,
  ).catch(() => null);
  await bench.api("POST", `/jobs/${jobId}/cancel`, { as: bench.operator });
  await bench.api("DELETE", `/images/${image.id}`, { as: bench.admin });
  if (settled === null) return { code: null, message: "still trying", state: "running" };
  const { state, error } = settled.latest;
  return { code: error?.code ?? null, message: error?.message ?? "", state };
}

export async function urlImports(bench: Bench): Promise<void> {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${BYTES.length}\r\n\r\n`;
  const listener = await listen("::", (socket) => socket.end(Buffer.concat([Buffer.from(answer), BYTES])));
  const row = bench.tally.row("network", "URLs of the console's own machine and network");
  const { port } = listener;
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((item) => !item.internal && item.family === "IPv4").map((item) => item.address),
  );
  let number = 0;
  const at = (host: string): string => `http://${host}:${port}/x${(number += 1)}.raw`;
  const loopback = spellingsOf("127.0.0.1").map(at);
  const urls = [
    ...loopback,
    ...NAMES.map(at),
    ...[...own, hostname()].map(at),
    ...spellingsOf("169.254.169.254").map(at),
    ...PRIVATE.map(at),
    ...PRIVATE6.map(at),
    `http://example.test@127.0.0.1:${port}/user.raw`,
    `http://127.0.0.1:${port}\\@example.test/backslash.raw`,
    "file:///etc/passwd",
    `gopher://127.0.0.1:${port}/gopher`,
    `ftp://127.0.0.1:${port}/ftp`,
    "data:,x",
    `https://127.0.0.1:${port}/tls.raw`,
    `${bench.url}/api/v1/health`,
  ];
  // Each takes a thread and a second of the console: the short form has a few.
  const tried = bench.short ? urls.filter((url, n) => n % 9 === 0 && URL.canParse(url)) : urls;
  const left = tried.values();
  const one = async (): Promise<void> => {
    for (const url of left) {
      const literal = isIP(URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") ?? "") !== 0;
      const patience = literal ? ADDRESS_PATIENCE_MS : NAME_PATIENCE_MS;
      const { code, message, state } = await importUrl(bench, url, SHA256, patience);
      const path = /\/([\w.]+)$/.exec(url)?.[1] ?? "?";
      const reached = listener.heard.some((first) => first.includes(`/${path} `));
      const ended = state === "refused" || (code !== null && REFUSED.has(code));
      row.check(
        !reached && state !== "ready" && (ended || !literal),
        `${url}: ${code ?? state} ${message.slice(0, 100)}${reached ? ", and it connected" : ""}`,
      );
    }
  };
  await Promise.all(Array.from({ length: 4 }, one));
  row.check(
    listener.count() === 0,
    `${listener.count()} connections came to the listener: ${listener.heard.join(" | ").slice(0, 200)}`,
  );
  await listener.close();
}
