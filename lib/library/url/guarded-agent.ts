/** HTTP connections that go to public addresses only, checked where the connection is made and not where a name is read. */
import { lookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import { AppError } from "#lib/errors.ts";
import { isPrivateAddress } from "./private-address.ts";

const CONNECT_MS = 15_000;
const HEADERS_MS = 30_000;
const SILENCE_MS = 60_000;

export function privateAddress(host: string): AppError {
  return new AppError(
    "forbidden",
    "import.private-address",
    `${host} is an address of this machine or its own network.`,
    {
      hint: "An administrator can allow private addresses in the settings.",
    },
  );
}

/** What a name stands for, private addresses left out: they are never even connected to. */
function publicLookup(isPrivate: (address: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, []);
      const open = found.filter(({ address }) => !isPrivate(address));
      const [first] = open;
      if (first === undefined) return callback(privateAddress(host), []);
      if (options.all === true) callback(null, open);
      else callback(null, first.address, first.family);
    });
  };
}

/**
 * Every hop of a redirect goes through it, and so does a name that answers differently the second time.
 * `isPrivate` is another rule for tests, which have no public address to serve from.
 */
export function guardedAgent(allowPrivate: boolean, isPrivate: (address: string) => boolean = isPrivateAddress): Agent {
  const timeouts = { headersTimeout: HEADERS_MS, bodyTimeout: SILENCE_MS };
  if (allowPrivate) return new Agent({ ...timeouts, connect: { timeout: CONNECT_MS } });
  const connect = buildConnector({ timeout: CONNECT_MS, lookup: publicLookup(isPrivate), port: 0 });
  return new Agent({
    ...timeouts,
    connect(options, callback) {
      const host = options.hostname.replace(/^\[|\]$/g, "");
      // A literal is never looked up.
      if (isIP(host) !== 0 && isPrivate(host)) return callback(privateAddress(host), null);
      connect(options, (...outcome) => {
        const [error, socket] = outcome;
        if (error !== null) return callback(error, null);
        // The last word has the address that the socket truly has.
        if (isPrivate(socket.remoteAddress ?? "")) {
          socket.destroy();
          return callback(privateAddress(host), null);
        }
        callback(null, socket);
      });
    },
  });
}
