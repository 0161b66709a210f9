/** The first look at a request: its path, its peer and its host are settled here once, and everybody below asks for them. */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Logger } from "pino";
import { AppError } from "#lib/errors.ts";
import { dropInternalHeaders } from "./headers.ts";
import { clientAddress, isProxy, plainAddress, type Proxies } from "./proxies.ts";
import { readTarget } from "./target.ts";

export interface EdgeSettings {
  readonly proxies: Proxies;
  /** SUPRAVISOR_URL: the address that people use. Null: whatever name the console is asked by. */
  readonly ownUrl: URL | null;
  readonly log: Logger;
}

export interface Admitted {
  readonly path: string;
  /** The client's address: the peer's, or what a trusted proxy says. Null: the connection is gone already. */
  readonly address: string | null;
  /** Name and port that people use for the console. */
  readonly host: string;
  readonly protocol: "http" | "https";
}

const known = new WeakMap<IncomingMessage, Admitted>();
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

export function edgeSettings(
  env: Readonly<Record<string, string | undefined>>,
  proxies: Proxies,
  log: Logger,
): EdgeSettings {
  const own = env["SUPRAVISOR_URL"];
  const ownUrl = own ? URL.parse(own) : null;
  if (own && (ownUrl === null || !/^https?:$/.test(ownUrl.protocol))) {
    throw new AppError("invalid", "server.bad-url", "SUPRAVISOR_URL is no address.", {
      hint: "Give the address that people type, with its scheme: https://console.example.org",
    });
  }
  return { proxies, ownUrl, log };
}

/** Hands a request over to the rest of the server, its headers and its path as we read them. Throws `request.bad-path`, `request.bad-host`. */
export function admitter(settings: EdgeSettings): (request: IncomingMessage) => Admitted {
  let warned = false;
  return (request) => {
    const { headers } = request;
    const peer = plainAddress(request.socket.remoteAddress ?? "");
    const said = {
      xForwardedFor: textOf(headers["x-forwarded-for"]),
      forwarded: textOf(headers["forwarded"]),
      host: textOf(headers["x-forwarded-host"])?.split(",").at(-1)?.trim(),
      protocol: textOf(headers["x-forwarded-proto"])?.split(",").at(-1)?.trim().toLowerCase(),
    };
    dropInternalHeaders(request);
    const proxied = peer !== null && isProxy(settings.proxies, peer);
    if (!proxied && !warned && (said.xForwardedFor ?? said.forwarded) !== undefined) {
      warned = true;
      settings.log.warn(
        { peer },
        "a proxy that is not trusted says for whom it asks, and is not believed: if it is yours, name it in SUPRAVISOR_TRUSTED_PROXIES; until then all who come through it share its address",
      );
    }
    const host = ownHost(settings, request, proxied);
    const target = readTarget(request.url ?? "/", headers.host);
    request.url = target.path + target.search;
    const secure = (request.socket as Partial<TLSSocket>).encrypted === true;
    const admitted: Admitted = {
      path: target.path,
      address: peer === null ? null : clientAddress(settings.proxies, peer, said),
      host: settings.ownUrl?.host ?? (proxied && said.host !== undefined && HOST.test(said.host) ? said.host : host),
      protocol:
        settings.ownUrl === null
          ? proxied && (said.protocol === "http" || said.protocol === "https")
            ? said.protocol
            : secure
              ? "https"
              : "http"
          : settings.ownUrl.protocol === "https:"
            ? "https"
            : "http",
    };
    known.set(request, admitted);
    return admitted;
  };
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(",") : value;
}

/**
 * The Host header, which has to be one name. With SUPRAVISOR_URL it has to be that name, an address, or localhost
 * (probes ask by those); any other one would be a name of somebody else that points here. A trusted proxy may use its own.
 */
function ownHost({ ownUrl }: EdgeSettings, request: IncomingMessage, proxied: boolean): string {
  const hosts = request.rawHeaders.filter((_, at) => at % 2 === 0 && request.rawHeaders[at]?.toLowerCase() === "host");
  const host = request.headers.host ?? "localhost";
  if (hosts.length > 1 || !HOST.test(host)) {
    throw new AppError("invalid", "request.bad-host", "The Host header of this request is not one name.");
  }
  const name = host
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase();
  if (
    ownUrl === null ||
    proxied ||
    name === ownUrl.hostname.replace(/^\[(.*)\]$/, "$1") ||
    name === "localhost" ||
    isIP(name) !== 0
  )
    return host;
  throw new AppError("invalid", "request.bad-host", "This console is not reached by that name.", {
    hint: "Use the address in SUPRAVISOR_URL, or let the proxy pass that name on as Host.",
  });
}

/** What was settled about a request; null for one that came in another way (tests of single routes). */
export function admittedAs(request: IncomingMessage): Admitted | null {
  return known.get(request) ?? null;
}

/** The client's address for the trail and the limits. */
export function addressOfClient(request: IncomingMessage): string | null {
  const admitted = known.get(request);
  return admitted === undefined ? plainAddress(request.socket.remoteAddress ?? "") : admitted.address;
}
