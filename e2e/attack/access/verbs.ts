/** Methods and headers that ask for another method. */
import { CANARY, type Bench } from "../bench/bench.ts";
import { rawRequest } from "../bench/wire.ts";

const VERBS = [
  "HEAD",
  "OPTIONS",
  "TRACE",
  "TRACK",
  "CONNECT",
  "PROPFIND",
  "SEARCH",
  "COPY",
  "MOVE",
  "PUT",
  "PATCH",
  "POST",
  "DELETE",
  "LINK",
  "get",
  "GETT",
  "PURGE",
];
const OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "_method"];

export async function verbs(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "other methods by nobody");
  const paths = [
    "/api/v1/hosts",
    "/api/v1/users",
    `/api/v1/images/${bench.image.id}`,
    "/api/v1/uploads",
    "/api/auth/session",
    "/hosts",
    "*",
  ];
  for (const path of paths) {
    await Promise.all(
      VERBS.map(async (verb) => {
        const marker = `mark-${Math.random().toString(36).slice(2)}`;
        const { status, head, body } = await rawRequest(bench.url, verb, path, { "X-Marker": marker }, { body: "" });
        const page = path === "/hosts" || path.startsWith("/api/auth");
        const harmless = verb === "OPTIONS" || verb === "HEAD" || page;
        row.check(
          !body.includes(CANARY) && !`${head}${body}`.includes(marker) && (harmless || status === 0 || status >= 400),
          `${verb} ${path}: ${status} ${body.slice(0, 80)}`,
        );
      }),
    );
  }

  const changed = bench.tally.row("access", "overrides of the method");
  const target = `/images/${bench.image.id}`;
  for (const name of OVERRIDES)
    for (const verb of ["DELETE", "PATCH"])
      for (const as of [bench.requester, bench.admin]) {
        // The address itself is one of an administrator's: only the override would make it a removal.
        await bench.api("GET", `${target}?${name}=${verb}`, { as, headers: { [name]: verb } });
        const still = await bench.api("GET", target, { as: bench.admin });
        changed.check(still.status === 200, `${name}: ${verb} on GET by ${as.role} removed the image`);
      }
}
