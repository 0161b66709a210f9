/** Instances by class, typed, as a CIM repository holds them; WQL over them. */
import { xml, type XmlText } from "#lib/wire/soap/xml-text.ts";
import { type CimRef, referenceText, resourceUri } from "#lib/wire/wsman/cim.ts";
import { objectPath } from "#lib/wire/wsman/object-path.ts";
import { Fault } from "./wsman-server.ts";

type Scalar = "string" | "boolean" | "uint8" | "uint16" | "uint32" | "uint64" | "datetime" | "ref";
export type PropertyType = Scalar | `${Scalar}[]`;
export type Value = string | number | boolean | CimRef;

export interface ClassDefinition {
  readonly namespace: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, PropertyType>>;
  /** Properties that Put may change. */
  readonly writable?: readonly string[];
}

export interface Instance {
  readonly className: string;
  readonly values: Record<string, Value | readonly Value[] | null>;
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export class CimStore {
  readonly #classes: Readonly<Record<string, ClassDefinition>>;
  readonly #instances = new Map<string, Instance[]>();
  /** Namespaces that this host does not have. */
  readonly absent = new Set<string>();

  constructor(classes: Readonly<Record<string, ClassDefinition>>) {
    this.#classes = classes;
  }

  /** Throws the fault of a class that is not there. */
  definition(namespace: string, className: string): { name: string; definition: ClassDefinition } {
    for (const [name, definition] of Object.entries(this.#classes)) {
      if (this.absent.has(definition.namespace)) continue;
      if (same(name, className) && same(definition.namespace, namespace)) return { name, definition };
    }
    throw new Fault(
      "DestinationUnreachable",
      2150858752,
      `The WS-Management service cannot process the request. The class ${className} does not exist in the ${namespace} namespace.`,
    );
  }

  add(className: string, values: Instance["values"]): Instance {
    const definition = this.#classes[className];
    if (definition === undefined) throw new Error(`no class ${className}`);
    for (const [name, value] of Object.entries(values)) {
      const type = definition.properties[name];
      if (type === undefined) throw new Error(`${className} has no property ${name}`);
      if (value !== null && Array.isArray(value) !== type.endsWith("[]"))
        throw new Error(`${className}.${name} is a ${type}`);
    }
    const instance = { className, values: { ...values } };
    const list = this.#instances.get(className) ?? [];
    list.push(instance);
    this.#instances.set(className, list);
    return instance;
  }

  remove(instance: Instance): void {
    const list = this.#instances.get(instance.className) ?? [];
    this.#instances.set(
      instance.className,
      list.filter((each) => each !== instance),
    );
  }

  all(className: string): readonly Instance[] {
    return this.#instances.get(className) ?? [];
  }

  where(className: string, test: (values: Instance["values"]) => boolean): readonly Instance[] {
    return this.all(className).filter((instance) => test(instance.values));
  }

  ref(instance: Instance): CimRef {
    const definition = this.#classes[instance.className];
    if (definition === undefined) throw new Error("no class");
    return {
      namespace: definition.namespace,
      className: instance.className,
      keys: Object.fromEntries(definition.keys.map((key) => [key, String(instance.values[key] ?? "")])),
    };
  }

  path(host: string, instance: Instance): string {
    return objectPath(host, this.ref(instance));
  }

  /** Throws the fault of an instance that is not there. A class with one instance needs no keys. */
  find(namespace: string, className: string, keys: Readonly<Record<string, string>>): Instance {
    const { name } = this.definition(namespace, className);
    const wanted = Object.entries(keys).filter(([key]) => key !== "__cimnamespace");
    const found = this.all(name).filter((instance) =>
      wanted.every(([key, value]) => {
        const property = Object.keys(instance.values).find((each) => same(each, key));
        return property !== undefined && same(String(instance.values[property] ?? ""), value);
      }),
    );
    const [instance] = found;
    if (instance === undefined || found.length > 1) {
      throw new Fault(
        "InvalidSelectors",
        2150858834,
        "The WS-Management service cannot process the request because the request contained invalid selectors for the resource.",
      );
    }
    return instance;
  }

  /** Namespace that a class's elements are in. */
  uri(instance: Instance): string {
    const { namespace, className } = this.ref(instance);
    return resourceUri(namespace, className);
  }

  /**
   * `columns`: what a query chose; it comes as a fragment then, without the class. `bare`: the prefix p is declared around
   * it already.
   */
  toXml(instance: Instance, columns: readonly string[] | null = null, bare = false): XmlText {
    const definition = this.#classes[instance.className];
    if (definition === undefined) throw new Error("no class");
    const uri = this.uri(instance);
    const chosen = (name: string) => columns === null || columns.some((column) => same(column, name));
    const parts = Object.entries(definition.properties).flatMap(([name, type]) => {
      if (!chosen(name)) return [];
      const value = instance.values[name] ?? null;
      if (value === null || (Array.isArray(value) && value.length === 0)) return [xml`<p:${name} xsi:nil="true"/>`];
      return (Array.isArray(value) ? (value as readonly Value[]) : [value as Value]).map((each) => {
        if (typeof each === "object") return xml`<p:${name}>${referenceText(each)}</p:${name}>`;
        if (type === "datetime")
          return xml`<p:${name}><cim:Datetime xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common">${each}</cim:Datetime></p:${name}>`;
        return xml`<p:${name}>${String(each)}</p:${name}>`;
      });
    });
    if (columns !== null) return xml`<w:XmlFragment xmlns:p="${uri}">${parts}</w:XmlFragment>`;
    if (bare) return xml`<p:${instance.className}>${parts}</p:${instance.className}>`;
    return xml`<p:${instance.className} xmlns:p="${uri}" xsi:type="p:${instance.className}_Type">${parts}</p:${instance.className}>`;
  }

  /** `SELECT … FROM Class [WHERE a = 'x' AND (…)]`. Throws the fault of a query that cannot be understood. */
  query(namespace: string, wql: string): { found: readonly Instance[]; columns: readonly string[] | null } {
    const parts = /^\s*select\s+(\*|[\w\s,]+?)\s+from\s+(\w+)(?:\s+where\s+([\s\S]+))?\s*$/i.exec(wql);
    if (parts === null) throw badQuery(wql);
    const { name } = this.definition(namespace, parts[2] ?? "");
    const test = parts[3] === undefined ? () => true : condition(parts[3]);
    const columns = parts[1] === "*" ? null : (parts[1] ?? "").split(",").map((column) => column.trim());
    return { found: this.all(name).filter(test), columns };
  }
}

function badQuery(wql: string): Fault {
  return new Fault("CannotProcessFilter", 2150858777, `The WQL query is invalid: ${wql}`);
}

/** Comparisons joined by AND and OR, as far as clients send them. */
function condition(text: string): (instance: Instance) => boolean {
  const ors = text.split(/\s+or\s+/i).map((part) => part.split(/\s+and\s+/i).map(comparison));
  return (instance) => ors.some((ands) => ands.every((test) => test(instance)));
}

function comparison(text: string): (instance: Instance) => boolean {
  const found =
    /^\s*\(*\s*(\w+)\s*(=|<>|!=|like|>=|<=|>|<)\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([\w.+-]+))\s*\)*\s*$/i.exec(
      text,
    );
  if (found === null) throw badQuery(text);
  const [, property = "", operator = "", single, double, bare] = found;
  const wanted = (single ?? double ?? bare ?? "").replaceAll(/\\(.)/g, "$1");
  return ({ values }) => {
    const name = Object.keys(values).find((each) => same(each, property));
    const value = name === undefined ? null : values[name];
    if (value === null || value === undefined || typeof value === "object") return false;
    const given = String(value);
    switch (operator.toLowerCase()) {
      case "=":
        return same(given, wanted);
      case "<>":
      case "!=":
        return !same(given, wanted);
      case "like":
        return new RegExp(
          `^${wanted
            .replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
            .replaceAll("%", "[\\s\\S]*")
            .replaceAll("_", "[\\s\\S]")}$`,
          "i",
        ).test(given);
      case ">=":
        return Number(given) >= Number(wanted);
      case "<=":
        return Number(given) <= Number(wanted);
      case ">":
        return Number(given) > Number(wanted);
      default:
        return Number(given) < Number(wanted);
    }
  };
}
