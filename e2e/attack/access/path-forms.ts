/** The same address written otherwise: two readings of one path are how a guard is walked around. */
import type { Bench } from "../bench/bench.ts";
import { CANARY } from "../bench/bench.ts";
import { signInByBrowser } from "../bench/sessions.ts";
import { rawRequest } from "../bench/wire.ts";

/** Every spelling of a path that some layer may take for the plain one. */
export function formsOf(path: string, host: string): string[] {
  const [, first = "", ...rest] = path.split("/");
  const tail = rest.join("/");
  const last = path.slice(path.lastIndexOf("/") + 1);
  const parent = path.slice(0, path.lastIndexOf("/"));
  const letter = last.charCodeAt(0).toString(16);
  const dots = [".", "%2e", "%2E", "%252e", "..;", ".;", ".%00", ".%09", "%c0%ae", "%u002e"];
  const separators = ["/", "//", "%2f", "%2F", "%252f", "%5c", "\\", ";/", "/;/", "%00/"];
  return [
    ...dots.map((dot) => `/${dot}${path}`),
    ...[
      "x/..",
      "x/%2e%2e",
      "x/%2e.",
      "_next/..",
      "_next/static/../..",
      "api/x/../..",
      "%2e%2e",
      "..",
      "x/..%2f",
      "x%2f..",
    ].map((way) => `/${way}${path}`),
    `/${first}/./${tail}`,
    `/${first}/x/../${tail}`,
    `/${first}/%2e/${tail}`,
    `/${first}/x/%2e%2e/${tail}`,
    ...separators.map((separator) => `/${first}${separator}${tail}`),
    ...separators.map((separator) => `${parent}${separator}${last}`),
    `/${path}`,
    `//${path}`,
    `///x/..${path}`,
    `${path}/`,
    `${path}/.`,
    `${path}/x/..`,
    `${path}//`,
    `${path}.`,
    `${path}%20`,
    `${path}%00`,
    `${path}%00.html`,
    `${path};x=1`,
    `${path};.css`,
    `${path}#x`,
    `${path}%23x`,
    `${path}%3f`,
    `${path}.json`,
    `${path}.rsc`,
    `${path}?_rsc=1`,
    `/_next/data/x${path}.json`,
    `/_next${path}`,
    `/_next/image?url=${encodeURIComponent(path)}&w=64&q=75`,
    path.toUpperCase(),
    `/${first.toUpperCase()}/${tail}`,
    `${parent}/%${letter}${last.slice(1)}`,
    `${parent}/%25${letter}${last.slice(1)}`,
    `http://${host}${path}`,
    `http://localhost${path}`,
    `http://evil.example${path}`,
    `https://${host}/x/..${path}`,
    `${path}\\..\\x`,
    `\\${path}`,
    `*${path}`,
    path.slice(1),
    `/\t${path}`,
    `/${path.slice(1).replaceAll("/", "／")}`,
  ];
}

/** What holds the canary for those who may read it. */
function protectedPaths(bench: Bench): string[] {
  const { id, versionId, diskId } = bench.image;
  return [
    "/api/v1/hosts",
    "/api/v1/images",
    `/api/v1/images/${id}`,
    `/api/v1/images/${id}/versions/${versionId}/disks/${diskId}/file`,
    "/api/v1/users",
    "/api/v1/audit",
    "/api/v1/jobs",
    "/api/v1/vms",
    "/api/v1/settings",
    "/api/v1/uploads",
    "/api/v1/transfers",
    "/api/v1/events",
    "/images",
    "/settings",
  ];
}

/** Nobody reads anything by a form; with a token a form may answer, but never more than its plain path. */
export async function pathForms(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "path forms by nobody");
  const { host } = new URL(bench.url);
  const paths = protectedPaths(bench);
  for (const path of bench.short ? paths.slice(0, 4).concat(paths.slice(-1)) : paths) {
    const forms = formsOf(path, host);
    for (let at = 0; at < forms.length; at += 12) {
      await Promise.all(
        forms.slice(at, at + 12).map(async (form) => {
          const { status, head, body } = await rawRequest(bench.url, "GET", form);
          const data = /json/i.test(head) && status >= 200 && status < 300;
          const leaks = body.includes(CANARY) || (path.startsWith("/api/v1/") && data);
          const known =
            body.includes('"needed"') || body.includes('"openapi"') || /"status":"(ok|degraded)"/.test(body);
          row.check(!leaks || known, `GET ${form}: ${status} ${body.slice(0, 80)}`);
          if (status >= 500 && status !== 501 && status !== 503) row.check(false, `GET ${form}: ${status}`);
        }),
      );
    }
  }
}

/** A form of the sign-in path does not let the client say where it comes from, or try more often than others. */
export async function signInForms(bench: Bench): Promise<void> {
  const forged = bench.tally.row("access", "path forms of /api/auth that take the client's own address");
  const limited = bench.tally.row("access", "path forms of /api/auth beside the limit of sign-ins");
  const { host } = new URL(bench.url);
  const from = bench.address();
  const csrf = await rawRequest(bench.url, "GET", "/api/auth/csrf", {}, { from });
  const cookie = [...csrf.head.matchAll(/set-cookie: ([^;\r\n]+)/gi)].map((match) => match[1]).join("; ");
  const token = /"csrfToken":"(\w+)"/.exec(csrf.body)?.[1] ?? "";
  const forms = [
    "/api/auth/callback/credentials",
    ...formsOf("/api/auth/callback/credentials", host).map((form) => form.replaceAll("Credentials", "credentials")),
  ];
  const names = new Map<string, string>();
  let checked = 0;
  for (const [number, form] of forms.entries()) {
    const address = `203.0.113.${number % 250}`;
    names.set(address, form);
    const body = new URLSearchParams({
      csrfToken: token,
      email: `forms${number}@example.test`,
      password: "not the password",
      json: "true",
      callbackUrl: "/",
    }).toString();
    const answer = await rawRequest(
      bench.url,
      "POST",
      form,
      {
        Cookie: cookie,
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Supravisor-Address": address,
        "X-Forwarded-For": address,
        "X-Real-IP": address,
      },
      { from, body },
    );
    if (/CredentialsSignin/.test(answer.body + answer.head)) checked += 1;
  }
  const trail = await bench.ok<{ items: { actor: { address?: string | null } | null }[] }>(
    "GET",
    "/audit?action=session.started&limit=500",
    { as: bench.admin },
  );
  const text = JSON.stringify(trail.items);
  for (const [address, form] of names) forged.check(!text.includes(`"${address}"`), `${form}: recorded as ${address}`);
  // As many tries on the plain path, for comparison.
  const plainFrom = bench.address();
  let plain = 0;
  for (let n = 0; n < forms.length; n += 1) {
    const answer = await signInByBrowser(bench.url, { email: `plain${n}@example.test`, password: "x" }, plainFrom);
    if (answer.outcome === "wrong") plain += 1;
  }
  limited.check(
    checked <= plain,
    `${checked} passwords were looked at by ${forms.length} forms, ${plain} by the plain path`,
  );
}
