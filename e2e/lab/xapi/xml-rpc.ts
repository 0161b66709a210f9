/** XML-RPC as XAPI speaks it: integers are strings, every answer is a struct with Status. */
import { XMLParser } from "fast-xml-parser";
import { isDateText, type Value } from "./values.ts";

const parser = new XMLParser({
  preserveOrder: true,
  trimValues: false,
  parseTagValue: false,
  ignoreAttributes: true,
  processEntities: true,
});

type Node = Record<string, unknown>;
const nameOf = (node: Node): string => Object.keys(node).find((key) => key !== ":@") ?? "";
const inside = (node: Node): Node[] => (node[nameOf(node)] as Node[] | undefined) ?? [];
const elements = (nodes: readonly Node[]): Node[] => nodes.filter((node) => nameOf(node) !== "#text");
const textOf = (nodes: readonly Node[]): string =>
  nodes.map((node) => (nameOf(node) === "#text" ? String(node["#text"]) : "")).join("");
const child = (nodes: readonly Node[], name: string): Node[] => {
  const found = nodes.find((node) => nameOf(node) === name);
  return found === undefined ? [] : inside(found);
};

function readValue(nodes: readonly Node[]): Value {
  const [typed] = elements(nodes);
  if (typed === undefined) return textOf(nodes);
  const content = inside(typed);
  switch (nameOf(typed)) {
    case "i4":
    case "int":
    case "double":
      return Number(textOf(content));
    case "boolean":
      return textOf(content).trim() === "1";
    case "nil":
      return null;
    case "array":
      return elements(child(content, "data")).map((value) => readValue(inside(value)));
    case "struct":
      return Object.fromEntries(
        elements(content).map((member) => [
          textOf(child(inside(member), "name")),
          readValue(child(inside(member), "value")),
        ]),
      );
    default:
      return textOf(content);
  }
}

export function readCall(xml: string): { method: string; params: Value[] } {
  const call = child(parser.parse(xml) as Node[], "methodCall");
  const params = elements(child(call, "params")).map((param) => readValue(child(inside(param), "value")));
  return { method: textOf(child(call, "methodName")).trim(), params };
}

const escape = (value: string): string =>
  value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Fields that are floats in the API's data model; all other numbers are 64-bit integers and go as strings. */
const FLOATS = new Set(["progress", "timestamp"]);

export function writeValue(value: Value, field = ""): string {
  if (value === null) return "<value><nil/></value>";
  if (typeof value === "string")
    return isDateText(value)
      ? `<value><dateTime.iso8601>${value}</dateTime.iso8601></value>`
      : `<value>${escape(value)}</value>`;
  if (typeof value === "boolean") return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === "number")
    return FLOATS.has(field) || !Number.isInteger(value)
      ? `<value><double>${value}</double></value>`
      : `<value>${value}</value>`;
  if (Array.isArray(value))
    return `<value><array><data>${(value as readonly Value[]).map((each) => writeValue(each)).join("")}</data></array></value>`;
  const members = Object.entries(value)
    .map(([name, each]) => `<member><name>${escape(name)}</name>${writeValue(each as Value, name)}</member>`)
    .join("");
  return `<value><struct>${members}</struct></value>`;
}

export function writeResponse(value: Value): string {
  return `<?xml version="1.0"?><methodResponse><params><param>${writeValue(value)}</param></params></methodResponse>`;
}

/** A bare value, as in a task's result or an appliance's ova.xml. */
export function readBareValue(xml: string): Value {
  return readValue(child(parser.parse(xml) as Node[], "value"));
}
