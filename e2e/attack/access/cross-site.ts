/** What a foreign page can make a signed-in browser send. */
import { bodyFor, headersFor, readOperations, targetFor } from "../bench/api-document.ts";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { RIGHTS } from "./rights.ts";

interface Source {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Our own page, as far as a browser can say. */
  readonly ours: boolean;
}

/** Where a request may say it comes from: with the browser's own word (Sec-Fetch-Site) and, in older ones, by Origin alone. */
function sources(url: string): Source[] {
  const { origin, host, hostname, port } = new URL(url);
  const origins: Record<string, { value: string | null; ours: boolean }> = {
    "own origin": { value: origin, ours: true },
    "no origin": { value: null, ours: false },
    "origin null": { value: "null", ours: false },
    "foreign origin": { value: "https://evil.example", ours: false },
    "own host as a prefix": { value: `http://${hostname}.evil.example:${port}`, ours: false },
    "own host as a user": { value: `http://${host}@evil.example`, ours: false },
    "own host on another port": { value: `http://${hostname}:1`, ours: false },
    "another name of this machine": { value: `http://localhost:${port}`, ours: false },
    "own host as a path": { value: `https://evil.example/${host}`, ours: false },
    "two origins": { value: `${origin} https://evil.example`, ours: false },
    "empty origin": { value: "", ours: false },
  };
  const sites: Record<string, string | null> = {
    "same-origin": "same-origin",
    "same-site": "same-site",
    "cross-site": "cross-site",
    none: "none",
    nonsense: "x",
    absent: null,
  };
  return Object.entries(origins).flatMap(([originName, { value, ours }]) =>
    Object.entries(sites)
      // A browser never says same-origin for a request of a foreign page.
      .filter(([, site]) => site !== "same-origin" || ours)
      .map(([siteName, site]) => ({
        name: `${originName}, Sec-Fetch-Site ${siteName}`,
        headers: {
          ...(value === null ? {} : { origin: value }),
          ...(site === null ? {} : { "sec-fetch-site": site }),
        },
        ours: ours && (site === "same-origin" || site === null),
      })),
  );
}

const TYPES = [
  "application/json",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "text/json",
  "",
];

export async function crossSite(bench: Bench): Promise<void> {
  const session = await bench.browser(bench.admin);
  const cookie = session["cookie"] ?? "";
  const all = sources(bench.url);
  const row = bench.tally.row("access", "changes asked for by foreign pages");
  const own = bench.tally.row("access", "changes asked for by our own pages");
  const operations = (await readOperations(bench.url)).filter(
    ({ name, method }) => !["GET", "HEAD"].includes(method) && RIGHTS[name] !== "anyone",
  );
  for (const operation of operations) {
    const foreign = all.filter(({ ours }) => !ours);
    const tried = bench.short ? foreign.filter((_, at) => at % 7 === 0) : foreign;
    await Promise.all(
      tried.map(async (source) => {
        const body = bodyFor(operation);
        const answer = await bench.api(operation.method, targetFor(operation), {
          headers: { ...headersFor(operation), cookie, ...source.headers },
          ...(body === undefined ? {} : { body }),
          showsSecret: true,
        });
        row.check(
          answer.status === 403 && answer.code === "auth.cross-site",
          `${operation.name} from ${source.name}: ${answer.status} ${answer.code ?? ""}`,
        );
      }),
    );
  }
  for (const source of all.filter(({ ours }) => ours)) {
    const answer = await bench.api("PATCH", "/settings", { headers: { cookie, ...source.headers }, body: {} });
    own.check(answer.status === 200, `${source.name}: ${answer.status} ${answer.code ?? ""}`);
  }

  const types = bench.tally.row("access", "content types that a form can send");
  for (const type of TYPES)
    for (const method of ["POST", "PATCH"]) {
      const path = method === "POST" ? "/api/v1/hosts/demo" : "/api/v1/settings";
      const answer = await ask(bench.url, method, path, {
        headers: {
          cookie,
          ...(type === "" ? {} : { "content-type": type }),
          "sec-fetch-site": "cross-site",
          origin: "https://evil.example",
        },
        raw: "{}",
      });
      types.check(answer.status === 403, `${method} ${path} as ${type || "no type"}: ${answer.status}`);
    }

  const get = bench.tally.row("access", "changes by links");
  for (const path of [
    "/api/auth/signout",
    "/api/auth/callback/credentials?email=a&password=b",
    `/api/v1/hosts/demo`,
    `/api/v1/session/password`,
  ]) {
    await ask(bench.url, "GET", path, { headers: { cookie, "sec-fetch-site": "cross-site" } });
    const still = await bench.api("GET", "/session", { headers: { cookie } });
    get.check(still.status === 200, `GET ${path} ended the session`);
  }
}

/** No answer ever lets another origin read it. */
export async function noSharing(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "answers that let other origins read them");
  const origins = ["https://evil.example", "null", new URL(bench.url).origin];
  const paths = [
    "/",
    "/sign-in",
    "/api/auth/session",
    "/api/auth/csrf",
    "/api/v1/health",
    "/api/v1/hosts",
    "/api/v1/openapi.json",
    "/api/v1/uploads",
    "/api/v1/events",
    "/nowhere",
    `/api/v1/images/${bench.image.id}`,
  ];
  for (const path of paths)
    for (const origin of origins)
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await ask(bench.url, method, path, {
          headers: {
            origin,
            ...(method === "OPTIONS"
              ? { "access-control-request-method": "DELETE", "access-control-request-headers": "authorization" }
              : {}),
            ...(path.includes("/api/v1/") ? { authorization: `Bearer ${bench.admin.token}` } : {}),
          },
        });
        const allowed = Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"));
        row.check(allowed.length === 0, `${method} ${path} for ${origin}: ${allowed.join(", ")}`);
      }
}
