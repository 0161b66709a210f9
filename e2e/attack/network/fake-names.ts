/**
 * Loaded into the console before its own code: names below `.attack.example` stand for what the label says, so that
 * no real name server is asked. `a-127-0-0-1.attack.example` is that address; `r-127-0-0-2-127-0-0-1.attack.example`
 * is the first one when it is first asked for and the second one from then on.
 */
import dns, { type LookupAddress } from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import threads, { type WorkerOptions } from "node:worker_threads";

const SUFFIX = ".attack.example";
const real = dns.lookup;
const asked = new Set<string>();

function addressesOf(name: string): string[] {
  const [kind, ...octets] = name.slice(0, -SUFFIX.length).split("-");
  const all: string[] = [];
  for (let at = 0; at + 4 <= octets.length; at += 4) all.push(octets.slice(at, at + 4).join("."));
  if (kind !== "r") return all;
  const first = !asked.has(name);
  asked.add(name);
  return all.slice(first ? 0 : 1, first ? 1 : 2);
}

type Callback = (error: Error | null, found: string | LookupAddress[], family?: number) => void;

function lookup(name: string, options: unknown, callback?: Callback): unknown {
  const plain = name.toLowerCase().replace(/\.$/, "");
  if (!plain.endsWith(SUFFIX))
    return Reflect.apply(
      real,
      dns,
      [name, options, callback].filter((x) => x !== undefined),
    );
  const answer = (callback ?? options) as Callback;
  const all = typeof options === "object" && options !== null && "all" in options && options.all === true;
  const found = addressesOf(plain).map((address) => ({ address, family: 4 }));
  setImmediate(() => (all ? answer(null, found) : answer(null, found[0]?.address ?? "", 4)));
  return {};
}

dns.lookup = lookup as typeof dns.lookup;
const lookupPromise = (name: string, options?: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    lookup(name, options ?? {}, (error, found, family) => {
      if (error !== null) reject(error);
      else resolve(typeof found === "string" ? { address: found, family } : found);
    });
  });
dns.promises.lookup = lookupPromise as typeof dns.promises.lookup;

/** Threads that are started without the process's own arguments, as the console's are, know the names all the same. */
threads.Worker = class extends threads.Worker {
  constructor(file: string | URL, options: WorkerOptions = {}) {
    super(file, { ...options, execArgv: [...(options.execArgv ?? process.execArgv), `--import=${import.meta.url}`] });
  }
};
syncBuiltinESMExports();
