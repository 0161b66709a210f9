/** WS-Enumeration, Transfer and methods over the store. */
import { at, type Element, textAt } from "#lib/wire/soap/element.ts";
import { xml, type XmlText } from "#lib/wire/soap/xml-text.ts";
import { type CimRef, readReference, referenceText, resourceUri, splitResource } from "#lib/wire/wsman/cim.ts";
import { NS } from "#lib/wire/wsman/message.ts";
import { randomUUID } from "node:crypto";
import type { CimStore, Instance } from "./cim-store.ts";
import { Fault, type WsmanCall, type WsmanReply } from "./wsman-server.ts";

/** What a method was given, by parameter name. */
export type MethodArguments = ReadonlyMap<string, readonly (string | CimRef)[]>;
export type MethodResult = Readonly<
  Record<string, string | number | boolean | CimRef | readonly CimRef[] | readonly string[] | null>
>;
export type Method = (target: Instance, input: MethodArguments) => Promise<MethodResult>;

const MOST_AT_ONCE = 20;

export class Enumerations {
  readonly #store: CimStore;
  /** `Class.Method`. */
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #open = new Map<
    string,
    { readonly found: readonly Instance[]; readonly write: (items: readonly Instance[], prefix: "w" | "n") => XmlText }
  >();

  constructor(store: CimStore, methods: ReadonlyMap<string, Method>) {
    this.#store = store;
    this.#methods = methods;
  }

  async handle(call: WsmanCall): Promise<WsmanReply> {
    const { namespace, className } = splitResource(call.resource);
    switch (call.action) {
      case `${NS.enumeration}/Enumerate`:
        return { action: `${call.action}Response`, body: this.#enumerate(namespace, className, call.body) };
      case `${NS.enumeration}/Pull`:
        return { action: `${call.action}Response`, body: this.#pull(call.body) };
      case `${NS.enumeration}/Release`:
        this.#open.delete(textAt(call.body, "EnumerationContext") ?? "");
        return { action: `${call.action}Response`, body: null };
      case `${NS.transfer}/Get`:
        return {
          action: `${call.action}Response`,
          body: this.#store.toXml(this.#store.find(namespace, className, call.selectors)),
        };
      case `${NS.transfer}/Put`:
        return { action: `${call.action}Response`, body: this.#put(namespace, className, call) };
      default:
        return this.#invoke(namespace, className, call);
    }
  }

  #enumerate(namespace: string, className: string, body: Element | undefined): XmlText {
    const filter = textAt(body, "Filter");
    const dialect = at(body, "Filter")?.attributes?.["Dialect"] ?? "";
    if (filter !== null && dialect.endsWith("/WQL") && className !== "*")
      throw new Fault("CannotProcessFilter", 2150858778, "A WQL query goes to all classes: the resource ends in *.");
    const { found, columns } =
      filter !== null
        ? this.#store.query(namespace, filter)
        : { found: this.#store.all(this.#store.definition(namespace, className).name), columns: null };
    const write = this.#writer(textAt(body, "EnumerationMode"), columns);
    const optimized = at(body, "OptimizeEnumeration") !== undefined;
    const context = `uuid:${randomUUID().toUpperCase()}`;
    if (!optimized) {
      this.#open.set(context, { found, write });
      return xml`<n:EnumerateResponse xmlns:n="${NS.enumeration}"><n:EnumerationContext>${context}</n:EnumerationContext></n:EnumerateResponse>`;
    }
    const { items, rest } = take(found, Number(textAt(body, "MaxElements") ?? 1));
    const written = write(items, "w");
    if (rest.length === 0) {
      return xml`<n:EnumerateResponse xmlns:n="${NS.enumeration}"><n:EnumerationContext/>${written}<w:EndOfSequence/></n:EnumerateResponse>`;
    }
    this.#open.set(context, { found: rest, write });
    return xml`<n:EnumerateResponse xmlns:n="${NS.enumeration}"><n:EnumerationContext>${context}</n:EnumerationContext>${written}</n:EnumerateResponse>`;
  }

  /** Source: DSP0226 8.7. */
  #writer(mode: string | null, columns: readonly string[] | null) {
    const reference = (item: Instance) =>
      xml`<a:EndpointReference>${referenceText(this.#store.ref(item))}</a:EndpointReference>`;
    const both = (item: Instance) => xml`<w:Item>${this.#store.toXml(item, columns, true)}${reference(item)}</w:Item>`;
    return (items: readonly Instance[], prefix: "w" | "n"): XmlText => {
      const [first] = items;
      // Line by line is how wslput reads: to it the tag of a class has no attributes.
      if (mode === "EnumerateObjectAndEPR" && first !== undefined)
        return xml`<${prefix}:Items xmlns:p="${this.#store.uri(first)}">${items.map(both)}</${prefix}:Items>`;
      const one = mode === "EnumerateEPR" ? reference : (item: Instance) => this.#store.toXml(item, columns);
      return xml`<${prefix}:Items>${items.map(one)}</${prefix}:Items>`;
    };
  }

  #pull(body: Element | undefined): XmlText {
    const context = (textAt(body, "EnumerationContext") ?? "").trim();
    const open = this.#open.get(context);
    if (open === undefined)
      throw new Fault("InvalidEnumerationContext", 2150858787, "The enumeration context is not valid.");
    const { items, rest } = take(open.found, Number(textAt(body, "MaxElements") ?? 1));
    const written = open.write(items, "n");
    if (rest.length === 0) {
      this.#open.delete(context);
      return xml`<n:PullResponse xmlns:n="${NS.enumeration}">${written}<n:EndOfSequence/></n:PullResponse>`;
    }
    this.#open.set(context, { found: rest, write: open.write });
    return xml`<n:PullResponse xmlns:n="${NS.enumeration}"><n:EnumerationContext>${context}</n:EnumerationContext>${written}</n:PullResponse>`;
  }

  #put(namespace: string, className: string, call: WsmanCall): XmlText {
    const { name, definition } = this.#store.definition(namespace, className);
    const instance = this.#store.find(namespace, className, call.selectors);
    const body = call.body;
    const fragment = body?.name === "XmlFragment";
    if (body === undefined || (!fragment && body.name !== name))
      throw new Fault("SchemaValidationError", 2150858817, `The body is no ${name}.`);
    for (const property of body.children) {
      if (definition.properties[property.name] === undefined)
        throw new Fault("SchemaValidationError", 2150858817, `${name} has no property ${property.name}.`);
      if (definition.writable?.includes(property.name) === true) instance.values[property.name] = property.text;
    }
    const changed = body.children.map((property) => property.name);
    return this.#store.toXml(instance, fragment ? changed : null);
  }

  async #invoke(namespace: string, className: string, call: WsmanCall): Promise<WsmanReply> {
    const method = call.action.slice(call.action.lastIndexOf("/") + 1);
    const { name } = this.#store.definition(namespace, className);
    const run = this.#methods.get(`${name}.${method}`);
    if (run === undefined) {
      throw new Fault("ActionNotSupported", 2150858817, `${className} has no method ${method}.`);
    }
    const input = new Map<string, (string | CimRef)[]>();
    for (const parameter of call.body?.children ?? []) {
      const value = readReference(parameter) ?? parameter.text;
      input.set(parameter.name, [...(input.get(parameter.name) ?? []), value]);
    }
    const result = await run(this.#store.find(namespace, className, call.selectors), input);
    const uri = resourceUri(namespace, className);
    const parts = Object.entries(result).flatMap(([key, value]) => {
      if (value === null) return [xml`<p:${key} xsi:nil="true"/>`];
      const list = Array.isArray(value)
        ? (value as readonly (CimRef | string)[])
        : [value as string | number | boolean | CimRef];
      return list.map((each) =>
        typeof each === "object"
          ? xml`<p:${key}>${referenceText(each)}</p:${key}>`
          : xml`<p:${key}>${String(each)}</p:${key}>`,
      );
    });
    return {
      action: `${call.action}Response`,
      body: xml`<p:${method}_OUTPUT xmlns:p="${uri}">${parts}</p:${method}_OUTPUT>`,
    };
  }
}

function take(found: readonly Instance[], asked: number): { items: readonly Instance[]; rest: readonly Instance[] } {
  const count = Math.max(1, Math.min(Number.isFinite(asked) ? asked : 1, MOST_AT_ONCE));
  return { items: found.slice(0, count), rest: found.slice(count) };
}
