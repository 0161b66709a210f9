/**
 * Ways from an address that an administrator allowed to one that nobody allowed: redirects, and names that answer
 * differently the second time. The allowed one is this machine's own address on its network; its packets stay here.
 */
import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import type { Bench } from "../bench/bench.ts";
import { listen } from "./listener.ts";
import { importUrl } from "./url-imports.ts";

const BYTES = Buffer.alloc(4096, "anybody may read it ");
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const WHOLE = `HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: ${BYTES.length}\r\n\r\n`;
const PATIENCE_MS = 15_000;

export async function redirects(bench: Bench): Promise<void> {
  const row = bench.tally.row("network", "ways from an allowed address to a private one");
  const allowed = bench.tally.row("legitimate", "URLs of an allowed network");
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address;
  if (own === undefined) {
    row.skip("this machine has no address but its loopback ones");
    return;
  }
  const settings = await bench.api("PATCH", "/settings", { as: bench.admin, body: { importNetworks: [`${own}/32`] } });
  if ((settings.json as { importNetworks?: unknown } | null)?.importNetworks === undefined) {
    row.skip("no network can be allowed by itself");
    return;
  }
  const inside = await listen("127.0.0.1", (socket) => socket.end(Buffer.concat([Buffer.from(WHOLE), BYTES])));
  const outside = await listen(own, (socket, first) => {
    const path = first.split(" ", 2)[1] ?? "/";
    const [, kind, target] = path.split("?", 1)[0]?.split("/") ?? [];
    if (kind === "to") {
      const location = Buffer.from(target ?? "", "base64url").toString();
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      // Half of the file, so that the rest is asked for by name again.
    } else if (kind === "half") socket.end(Buffer.concat([Buffer.from(WHOLE), BYTES.subarray(0, 2048)]));
    else socket.end(Buffer.concat([Buffer.from(WHOLE), BYTES]));
  });
  try {
    const base = `http://${own}:${outside.port}`;
    const to = (target: string) => `${base}/to/${Buffer.from(target).toString("base64url")}/x.raw`;
    const at = (host: string) => `http://${host}:${inside.port}/x.raw`;
    const dashed = (address: string) => address.replaceAll(".", "-");
    const targets = [
      "127.0.0.1",
      "localhost",
      "2130706433",
      "[::ffff:127.0.0.1]",
      "a-127-0-0-1.attack.example",
      "127.1",
      "0",
    ].map(at);
    const urls = [
      ...targets.map(to),
      ...targets.slice(0, 2).map((target) => to(to(target))),
      to(`//127.0.0.1:${inside.port}/x.raw`),
      to(at("169.254.169.254")),
      to("file:///etc/passwd"),
      to(`ftp://127.0.0.1:${inside.port}/x`),
      to(`\t${at("127.0.0.1")}`),
      `http://r-${dashed(own)}-127-0-0-1.attack.example:${outside.port}/half/x.raw`,
      `http://r-127-0-0-1-${dashed(own)}.attack.example:${inside.port}/x.raw`,
      `http://a-127-0-0-1-${dashed(own)}.attack.example:${inside.port}/x.raw`,
    ];
    // Some are tried again until they are given up here: four at a time.
    for (let at = 0; at < urls.length; at += 4) {
      const group = urls.slice(at, at + 4);
      const before = inside.count();
      await Promise.all(
        group.map(async (url) => {
          const { code, state } = await importUrl(bench, url, SHA256, PATIENCE_MS);
          row.check(state !== "ready", `${url}: ${code ?? state}`);
        }),
      );
      row.check(inside.count() === before, `one of these connected: ${group.join(" ")}`);
    }
    for (const url of [
      `${base}/x.raw`,
      to(`${base}/x.raw`),
      `http://a-${dashed(own)}.attack.example:${outside.port}/x.raw`,
    ]) {
      const { code, state, message } = await importUrl(bench, url, SHA256, 60_000);
      allowed.check(state === "ready", `${url}: ${code ?? state} ${message}`);
    }
    const refused = bench.tally.row("network", "networks that nobody may allow");
    for (const network of [
      "0.0.0.0/0",
      "127.0.0.0/8",
      "127.0.0.1/32",
      "169.254.0.0/16",
      "169.254.169.254/32",
      "::/0",
      "::1/128",
      "fe80::/10",
      "::ffff:127.0.0.1/128",
      "224.0.0.0/4",
      "0.0.0.0/32",
      "0.0.0.0/1",
      "x",
      "",
    ]) {
      const answer = await bench.api("PATCH", "/settings", { as: bench.admin, body: { importNetworks: [network] } });
      refused.check(answer.status >= 400 && answer.status < 500, `${network}: ${answer.status}`);
    }
  } finally {
    await bench.api("PATCH", "/settings", { as: bench.admin, body: { importNetworks: [] } });
    await inside.close();
    await outside.close();
  }
}
