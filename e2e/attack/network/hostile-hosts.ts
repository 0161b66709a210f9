/** A host whose answers are the worst that its protocol allows: the console goes on answering others. */
import { execFileSync } from "node:child_process";
import { createServer as createHttps } from "node:https";
import { createServer as createHttp, type RequestListener } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { makeCertificate } from "#e2e/lab/vmware/certificate.ts";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";

const SOAP = (inner: string) =>
  `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>${inner}</soapenv:Body></soapenv:Envelope>`;

/** What a reader of markup may take too long for; each of about `size` bytes. */
export function worstMarkup(size: number): Record<string, string> {
  const fill = (piece: (n: number) => string): string => {
    let text = "";
    for (let n = 0; text.length < size; n += 1) text += piece(n);
    return text;
  };
  return {
    "nothing special": SOAP(`<x>${"a".repeat(size)}</x>`),
    "marks inside of attributes": SOAP(`<x ${fill((n) => `a${n}=">" `)}/>`),
    "marks inside of single quotes": SOAP(`<x ${fill((n) => `a${n}='>' `)}/>`),
    "one tag that never ends": `<x ${fill((n) => `a${n}="${n}" `)}`,
    "a quote that never ends": `<x a="${"> ".repeat(size / 2)}`,
    "a comment that never ends": `<!--${"- ".repeat(size / 2)}`,
    "comments that almost end": SOAP(fill(() => "<!-- -- -->")),
    "CDATA that almost ends": SOAP(`<x><![CDATA[${"]]".repeat(size / 2)}`),
    "a declaration that never ends": `<!DOCTYPE x [${fill((n) => `<!ENTITY e${n} "x">`)}`,
    "entities of entities": `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${fill((n) => `<!ENTITY a${n} "&a;&a;&a;&a;">`)}]><x>&a;</x>`,
    "unknown entities": SOAP(`<x>${fill((n) => `&e${n};`)}</x>`),
    "entities that never end": SOAP(`<x>${"&".repeat(size)}</x>`),
    "numbered characters": SOAP(`<x>${fill(() => "&#x10FFFF;")}</x>`),
    "deep elements": SOAP("<a>".repeat(size / 3)),
    "many attributes": SOAP(`<x ${fill((n) => `a${n}="" `)}/>`),
    "many namespaces": SOAP(`<x ${fill((n) => `xmlns:n${n}="u${n}" `)}>${"<n0:y/>".repeat(100)}</x>`),
    "many elements": SOAP(fill(() => "<a/>")),
    "a long name": SOAP(`<${"n".repeat(size)}/>`),
    "opening marks alone": "<".repeat(size),
    "closing marks alone": `<x${">".repeat(size)}`,
    "blanks in a tag": `<x${" ".repeat(size)}`,
    "slashes in a tag": `<x ${"/".repeat(size)}`,
    "equals signs in a tag": `<x ${"=".repeat(size)}`,
    "deep JSON": "[".repeat(size),
    "numbers without an end": `{"x":${"9".repeat(size)}}`,
  };
}

interface Served {
  readonly port: number;
  close(): Promise<void>;
}

async function serve(listener: RequestListener, tls: { key: string; cert: string } | null): Promise<Served> {
  const server = tls === null ? createHttp(listener) : createHttps(tls, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The longest time that health needed while `work` went on. */
async function slowest(bench: Bench, work: Promise<unknown>): Promise<number> {
  let over = false;
  void work.finally(() => (over = true)).catch(() => undefined);
  let worst = 0;
  do {
    const { milliseconds } = await ask(bench.url, "GET", "/api/v1/health", { timeoutMs: 120_000 });
    worst = Math.max(worst, milliseconds);
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (!over);
  return worst;
}

export async function hostileHosts(bench: Bench): Promise<void> {
  const row = bench.tally.row("network", "answers of hosts that hold the console up");
  if (!hasOpenssl()) {
    row.skip("openssl is not installed: no certificate for the hostile host");
    return;
  }
  const certificate = makeCertificate(bench.folder, "hostile");
  const size = bench.short ? 24 * 1024 : 64 * 1024;
  const drivers = {
    vmware: (port: number) => ({
      driver: "vmware",
      connection: { transport: "https", host: "127.0.0.1", port, user: "u", certificate: certificate.sha256 },
    }),
    xapi: (port: number) => ({
      driver: "xapi",
      connection: { transport: "https", host: "127.0.0.1", port, user: "u", certificate: certificate.sha256 },
    }),
    hyperv: (port: number) => ({
      driver: "hyperv",
      connection: {
        transport: "https",
        host: "127.0.0.1",
        port,
        user: "u",
        auth: "basic",
        certificate: certificate.sha256,
      },
    }),
  };
  let answer = "";
  const served = await serve((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/xml; charset=utf-8" }).end(answer);
  }, certificate);
  const test = (target: unknown) =>
    bench.api("POST", "/hosts/test", {
      as: bench.admin,
      body: { name: "hostile", target, secret: { password: "p" } },
      timeoutMs: 120_000,
    });
  const worst = Object.entries(worstMarkup(size));
  for (const [driver, target] of Object.entries(drivers)) {
    answer = worst[0]![1];
    const calm = Math.max(
      await slowest(bench, test(target(served.port))),
      await slowest(bench, test(target(served.port))),
    );
    // A busy machine delays everything now and then: many times the delay that harmless bytes of this size cause is none of that.
    const bound = 12 * Math.max(calm, 100);
    for (const [name, text] of worst.slice(1).filter((_, n) => !bench.short || n % 4 === 0)) {
      answer = text;
      // What the bytes cause comes every time they do; what the machine causes does not.
      let delay = Infinity;
      for (let tries = 0; tries < 3 && delay > bound; tries += 1)
        delay = Math.min(delay, await slowest(bench, test(target(served.port))));
      row.check(
        delay <= bound,
        `${driver}, ${name}, ${size / 1024} KiB: others waited ${(delay / calm).toFixed(0)} times as long as with harmless bytes`,
      );
    }
  }
  await served.close();
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
