/**
 * What changes on the host, by a PropertyCollector of our own. Its first answer is everything there is.
 * Source: "vSphere Web Services API", PropertyCollector.WaitForUpdatesEx.
 */
import { all, at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { structureOf } from "./infrastructure.ts";
import { VM_PATHS } from "./map-vm.ts";
import { endless, viewSpec, type ObjectValues } from "./properties.ts";
import { ref, refOf, type Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";
import { createView } from "./view.ts";

/** The host answers after so many seconds without a change; figures are read anew then. */
const WAIT_SECONDS = 30;
const ANSWER_MS = (WAIT_SECONDS + 60) * 1000;
/** A page of the first answer: about five megabytes of XML. */
const PAGE = 500;
/** Of one answer: more pages, and more things, than any vCenter has. */
const MOST_PAGES = 10_000;
const MOST_UPDATES = 500_000;

export interface Update extends ObjectValues {
  readonly kind: "enter" | "modify" | "leave";
}

export class Feed implements AsyncDisposable {
  readonly #client: VimClient;
  readonly #collector: Ref;
  readonly #views: readonly Ref[];
  #version = "";

  private constructor(client: VimClient, collector: Ref, views: readonly Ref[]) {
    this.#client = client;
    this.#collector = collector;
    this.#views = views;
  }

  static async open(client: VimClient, signal?: AbortSignal): Promise<Feed> {
    const made = await client.call("CreatePropertyCollector", client.service("propertyCollector"), xml``, { signal });
    const collector = ref("PropertyCollector", textAt(made, "returnval") ?? "");
    const vms = await createView(client, ["VirtualMachine"], { signal });
    const { types, paths } = structureOf(client);
    const structure = await createView(client, types, { signal });
    const feed = new Feed(client, collector, [vms, structure]);
    try {
      for (const spec of [
        viewSpec("spec", paths, structure),
        viewSpec("spec", [{ type: "VirtualMachine", paths: VM_PATHS }], vms),
      ]) {
        await client.call("CreateFilter", collector, xml`${spec}<partialUpdates>false</partialUpdates>`, { signal });
      }
      return feed;
    } catch (error) {
      await feed[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * What has changed since the call before; the first time everything, in pages. Waits for a change unless there is
   * one; ends without any after half a minute. Throws VimFault when the collector or its session is gone.
   */
  async *next(signal: AbortSignal): AsyncGenerator<Update> {
    let updates = 0;
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const args = xml`<version>${this.#version}</version><options><maxWaitSeconds>${WAIT_SECONDS}</maxWaitSeconds><maxObjectUpdates>${PAGE}</maxObjectUpdates></options>`;
      const stream = this.#client.stream("WaitForUpdatesEx", this.#collector, args, ["objectSet"], {
        signal,
        timeout: ANSWER_MS,
      });
      let rest: Element;
      for (;;) {
        const next = await stream.next();
        if (next.done === true) {
          rest = next.value;
          break;
        }
        updates += 1;
        if (updates > MOST_UPDATES) throw endless(this.#client.name);
        yield update(next.value);
      }
      const set = at(rest, "returnval");
      if (set === undefined) return;
      this.#version = textAt(set, "version") ?? this.#version;
      if (textAt(set, "truncated") !== "true") return;
    }
    throw endless(this.#client.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const quick = { timeout: 2000, signal: AbortSignal.timeout(2000) };
    await this.#client.call("DestroyPropertyCollector", this.#collector, xml``, quick).catch(() => undefined);
    for (const view of this.#views) await this.#client.call("DestroyView", view, xml``, quick).catch(() => undefined);
  }
}

function update(set: Element): Update {
  const values = new Map<string, Element>();
  for (const change of all(set, "changeSet")) {
    const value = at(change, "val");
    if (value !== undefined) values.set(textAt(change, "name") ?? "", value);
  }
  const kind = textAt(set, "kind");
  return {
    kind: kind === "leave" || kind === "modify" ? kind : "enter",
    ref: refOf(at(set, "obj")) ?? ref("", ""),
    values,
  };
}
