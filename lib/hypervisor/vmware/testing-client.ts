/** A vSphere client that answers from a script, for what no simulator shows. */
import type { Element } from "#lib/wire/soap/element.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { ref, type Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

/** `<objects>` of RetrievePropertiesEx: an object with its properties, each as `<val …>` has it inside. */
export function objectXml(type: string, id: string, values: Readonly<Record<string, string>>): Element {
  const set = Object.entries(values).map(([name, value]) => `<propSet><name>${name}</name>${value}</propSet>`);
  return parseXml(`<objects ${XSI}><obj type="${type}">${id}</obj>${set.join("")}</objects>`);
}

export interface ScriptedClient {
  readonly client: VimClient;
  /** Methods in the order of their calls. */
  readonly calls: string[];
}

/** `objects`: what the PropertyCollector tells; `call`: the reply's inside by method, empty by default. */
export function scriptedClient(
  objects: () => readonly Element[],
  call: (method: string, self: Ref) => string = () => "",
): ScriptedClient {
  const calls: string[] = [];
  const client = {
    name: "vcenter",
    isVcenter: true,
    about: {},
    connection: { host: "vcenter", port: 443 },
    generation: 1,
    service: (name: string) => ref(name, name),
    call: (method: string, self: Ref) => {
      calls.push(method);
      return Promise.resolve(parseXml(`<reply>${call(method, self)}</reply>`));
    },
    async *stream(method: string) {
      calls.push(method);
      yield* objects();
      return parseXml("<reply/>");
    },
  };
  return { client: client as unknown as VimClient, calls };
}
