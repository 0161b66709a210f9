/** HTTP connections to addresses that the rule allows, checked where the connection is made and not where a name is read. */
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import type { AddressRule, Verdict } from "./address-rule.ts";
import { forbiddenAddress, unknownHost } from "./fetchable.ts";

const CONNECT_MS = 15_000;
const HEADERS_MS = 30_000;
const SILENCE_MS = 60_000;

/** All addresses of a name. */
type Lookup = (
  host: string,
  options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

const isOpen = (verdict: Verdict): boolean => verdict === "public" || verdict === "listed";

/** Every hop of a redirect goes through it, and so does a name that answers differently the second time. */
export class GuardedAgent implements AsyncDisposable {
  readonly agent: Agent;
  readonly rule: AddressRule;
  /** A connection went into a listed network: what came from there is not told to whoever guesses at it. */
  wasInside = false;

  /** `lookup`: the system's, or another one for tests. */
  constructor(rule: AddressRule, lookup: Lookup = systemLookup) {
    this.rule = rule;
    const connect = buildConnector({ timeout: CONNECT_MS, lookup: this.#openLookup(lookup), port: 0 });
    this.agent = new Agent({
      headersTimeout: HEADERS_MS,
      bodyTimeout: SILENCE_MS,
      connect: (options, callback) => {
        const host = options.hostname.replace(/^\[|\]$/g, "");
        // A literal is never looked up.
        const literal = isIP(host) === 0 ? "public" : rule(host);
        if (!isOpen(literal)) return callback(forbiddenAddress(host, literal), null);
        connect(options, (...outcome) => {
          const [error, socket] = outcome;
          if (error !== null) return callback(error, null);
          const { remoteAddress } = socket;
          if (remoteAddress === undefined) {
            socket.destroy();
            return callback(new Error("The connection was lost as soon as it was made."), null);
          }
          // The last word has the address that the socket truly has.
          const verdict = rule(remoteAddress);
          if (!isOpen(verdict)) {
            socket.destroy();
            return callback(forbiddenAddress(host, verdict), null);
          }
          if (verdict === "listed") this.wasInside = true;
          callback(null, socket);
        });
      },
    });
  }

  /** What a name stands for, addresses left out that are closed: they are never even connected to. */
  #openLookup(lookup: Lookup): LookupFunction {
    return (host, options, callback) => {
      lookup(host, { ...options, all: true }, (error, found) => {
        // The name is not known. That it cannot be asked for now is another code, and worth another try.
        if (error?.code === "ENOTFOUND" || error?.code === "ENODATA") return callback(unknownHost(host), []);
        if (error !== null) return callback(error, []);
        const open = found.filter(({ address }) => isOpen(this.rule(address)));
        const [first] = open;
        if (first === undefined) {
          const verdicts = found.map(({ address }) => this.rule(address));
          return callback(forbiddenAddress(host, verdicts.includes("private") ? "private" : "never"), []);
        }
        if (options.all === true) callback(null, open);
        else callback(null, first.address, first.family);
      });
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.agent.destroy();
  }
}
