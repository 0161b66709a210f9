/** Values of XML-RPC as xapi writes them: numbers are text, and there are no blanks between tags. */
import { escapeXml } from "../xml.ts";

export type RpcValue =
  | string
  | boolean
  | readonly RpcValue[]
  | { readonly [name: string]: RpcValue }
  | Double
  | DateTime;

export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class DateTime {
  readonly value: Date;
  constructor(value: Date) {
    this.value = value;
  }
}

export function rpcXml(value: RpcValue): string {
  return `<value>${inner(value)}</value>`;
}

function inner(value: RpcValue): string {
  if (typeof value === "string") return escapeXml(value);
  if (typeof value === "boolean") return `<boolean>${value ? 1 : 0}</boolean>`;
  if (value instanceof Double) return `<double>${value.value}</double>`;
  if (value instanceof DateTime) {
    const text = value.value
      .toISOString()
      .replaceAll("-", "")
      .replace(/\.\d+Z$/, "Z");
    return `<dateTime.iso8601>${text}</dateTime.iso8601>`;
  }
  if (Array.isArray(value))
    return `<array><data>${value.map((each: RpcValue) => rpcXml(each)).join("")}</data></array>`;
  const members = Object.entries(value as { readonly [name: string]: RpcValue });
  return `<struct>${members
    .map(([name, each]) => `<member><name>${escapeXml(name)}</name>${rpcXml(each)}</member>`)
    .join("")}</struct>`;
}
