/** Values of the XenAPI as they stand in the simulator's database and go over both encodings. */

export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };
export type Fields = Record<string, Value>;

export const NULL_REF = "OpaqueRef:NULL";

/** An error as the API gives it: a code and its parameters. */
export class Failure extends Error {
  readonly description: readonly string[];

  constructor(code: string, ...params: string[]) {
    super([code, ...params].join(" "));
    this.description = [code, ...params];
  }
}

/** `20261124T10:11:12Z`: the API's dates. */
export function dateText(at: Date = new Date()): string {
  return `${at.toISOString().slice(0, 19).replaceAll("-", "")}Z`;
}

export function isDateText(value: string): boolean {
  return /^\d{8}T\d\d:\d\d:\d\dZ$/.test(value);
}

export function text(value: Value | undefined): string {
  if (typeof value !== "string") throw new Failure("FIELD_TYPE_ERROR", JSON.stringify(value ?? null));
  return value;
}

/** Integers come as numbers by JSON-RPC and as strings by XML-RPC. */
export function integer(value: Value | undefined): number {
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number))
    throw new Failure("FIELD_TYPE_ERROR", JSON.stringify(value ?? null));
  return number;
}

export function struct(value: Value | undefined): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Failure("FIELD_TYPE_ERROR", JSON.stringify(value ?? null));
  return { ...(value as { readonly [name: string]: Value }) };
}

export function list(value: Value | undefined): readonly Value[] {
  if (!Array.isArray(value)) throw new Failure("FIELD_TYPE_ERROR", JSON.stringify(value ?? null));
  return value as readonly Value[];
}
