/** Clients that never finish what they began. Opened at the beginning of the suite, judged at its end. */
import type { Socket } from "node:net";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { open } from "../bench/wire.ts";

interface Kind {
  readonly name: string;
  /** Sent at once. */
  readonly head: (host: string) => string;
  /** Then this, again and again. */
  readonly drip: string | null;
  /** Its head is not complete: servers wait longer for that. */
  readonly headless?: true;
}

const post = (path: string, length: number) => (host: string) =>
  `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;

const KINDS: readonly Kind[] = [
  { name: "nothing at all", head: () => "", drip: null, headless: true },
  { name: "half a line", head: () => "GET /api/v1/hea", drip: null, headless: true },
  {
    name: "half the headers",
    head: (host) => `GET /api/v1/health HTTP/1.1\r\nHost: ${host}\r\nX-A: `,
    drip: null,
    headless: true,
  },
  {
    name: "a header that grows",
    head: (host) => `GET /api/v1/health HTTP/1.1\r\nHost: ${host}\r\nX-A: `,
    drip: "a",
    headless: true,
  },
  { name: "half a body of a sign-in", head: post("/api/v1/login", 100), drip: null },
  { name: "a body of a sign-in that grows", head: post("/api/v1/login", 10_000), drip: " " },
  { name: "half a body of the set-up", head: post("/api/v1/setup", 100), drip: null },
  { name: "half a form of a sign-in", head: post("/api/auth/callback/credentials", 100), drip: null },
  { name: "half a body of a page", head: post("/sign-in", 100), drip: null },
  {
    name: "half an upload of nobody",
    head: (host) =>
      `PATCH /api/v1/uploads/x HTTP/1.1\r\nHost: ${host}\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 1000\r\n\r\nx`,
    drip: null,
  },
];

/** Generous: what is open after so long is never cut. */
const HEADS_MS = 120_000;
const BODIES_MS = 60_000;

export async function slowClients(bench: Bench): Promise<() => Promise<void>> {
  const cut = bench.tally.row("network", "half-sent requests that are never cut");
  const served = bench.tally.row("network", "others who are served meanwhile");
  const { host } = new URL(bench.url);
  const each = bench.short ? 20 : 60;
  const idle = Math.max(
    ...(await Promise.all(Array.from({ length: 10 }, () => ask(bench.url, "GET", "/api/v1/health")))).map(
      (a) => a.milliseconds,
    ),
  );
  const open_: { kind: Kind; sockets: Socket[]; began: number }[] = [];
  for (const kind of KINDS.filter(({ headless }) => !bench.short || headless !== true)) {
    const sockets = await Promise.all(Array.from({ length: each }, () => open(bench.url).catch(() => null)));
    const there = sockets.filter((socket) => socket !== null);
    for (const socket of there) {
      socket.resume();
      if (kind.head(host) !== "") socket.write(kind.head(host));
    }
    open_.push({ kind, sockets: there, began: Date.now() });
  }
  const dripping = setInterval(() => {
    for (const { kind, sockets } of open_)
      if (kind.drip !== null) for (const socket of sockets) if (!socket.destroyed) socket.write(kind.drip);
  }, 1000);
  for (let n = 0; n < 10; n += 1) {
    const answer = await ask(bench.url, "GET", "/api/v1/health");
    served.check(
      answer.status === 200 && answer.milliseconds < 50 * Math.max(idle, 200),
      `health answered ${answer.status}, ${(answer.milliseconds / idle).toFixed(0)} times as slowly`,
    );
  }
  return async () => {
    const deadline = Math.max(...open_.map(({ began }) => began)) + (bench.short ? BODIES_MS : HEADS_MS);
    const left = () =>
      open_.reduce((sum, { sockets }) => sum + sockets.filter((socket) => !socket.destroyed).length, 0);
    while (left() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(dripping);
    for (const { kind, sockets } of open_) {
      const still = sockets.filter((socket) => !socket.destroyed).length;
      cut.check(
        still === 0,
        `${kind.name}: ${still} of ${sockets.length} are still open after ${(bench.short ? BODIES_MS : HEADS_MS) / 1000} s`,
      );
      for (const socket of sockets) socket.destroy();
    }
  };
}

/** One account cannot hold every stream. */
export async function eventStreams(bench: Bench): Promise<void> {
  const row = bench.tally.row("network", "event streams of one account");
  const { host } = new URL(bench.url);
  const many = 300;
  const sockets: Socket[] = [];
  let begun = 0;
  let answered = 0;
  for (let n = 0; n < many; n += 1) {
    const socket = await open(bench.url).catch(() => null);
    if (socket === null) continue;
    sockets.push(socket);
    socket.once("data", (chunk) => {
      answered += 1;
      if (chunk.toString("latin1").startsWith("HTTP/1.1 200")) begun += 1;
    });
    socket.once("close", () => (answered += 1));
    socket.write(
      `GET /api/v1/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${bench.requester.token}\r\n\r\n`,
    );
  }
  for (let n = 0; n < 120 && answered < sockets.length; n += 1) await new Promise((next) => setTimeout(next, 250));
  row.check(begun < many, `one requester holds ${begun} of ${many} streams`);
  const other = await bench.api("GET", "/hosts", { as: bench.operator });
  row.check(other.status === 200, `another person's request while they are open: ${other.status}`);
  for (const socket of sockets) socket.destroy();
}
