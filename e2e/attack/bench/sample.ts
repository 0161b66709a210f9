/** A value that a JSON Schema takes, and whether it takes a given one. */
import { randomUUID } from "node:crypto";
import { z } from "zod";

export type Schema = Readonly<Record<string, unknown>>;

/** Named schemas put where they are referred to; one that holds itself is left open. */
export function resolved(
  schema: Schema,
  known: Readonly<Record<string, Schema>>,
  inside: readonly string[] = [],
): Schema {
  const walk = (value: unknown, within: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, within));
    if (typeof value !== "object" || value === null) return value;
    const ref = (value as { $ref?: unknown }).$ref;
    if (typeof ref === "string") {
      const name = ref.split("/").at(-1) ?? "";
      const target = known[name];
      return target === undefined || within.includes(name) ? {} : walk(target, [...within, name]);
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, within)]));
  };
  return walk(schema, inside) as Schema;
}

/** Whatever is made up, nobody else is spoken to. */
const HERE: Readonly<Record<string, unknown>> = { host: "127.0.0.1", port: 1, callback: "127.0.0.1" };

const WORDS = [
  "a",
  "0".repeat(64),
  "/a",
  "/usr/bin/VBoxManage",
  `SHA256:${"A".repeat(43)}`,
  "aaaaaaaaaaaa",
  "a@b.test",
  "1",
];

function sampleText(schema: Schema): string {
  const { format, pattern, minLength } = schema as { format?: string; pattern?: string; minLength?: number };
  if (format === "uuid") return randomUUID();
  if (format === "email") return `${randomUUID()}@example.test`;
  if (format === "uri") return "https://127.0.0.1:1/x.raw";
  if (format === "date-time") return new Date().toISOString();
  const fits = (word: string) =>
    word.length >= (minLength ?? 0) &&
    word.length <= ((schema["maxLength"] as number | undefined) ?? Infinity) &&
    (pattern === undefined || new RegExp(pattern, "u").test(word));
  return WORDS.find(fits) ?? "a".repeat(minLength ?? 1);
}

/** For values that are not always the same. */
interface Choice {
  next(below: number): number;
}

/** Without `choice` the shortest value: what is optional is left out, and of several forms it is the first. */
export function sample(schema: Schema, choice: Choice | null = null): unknown {
  if (schema["const"] !== undefined) return schema["const"];
  const options = schema["enum"] as unknown[] | undefined;
  if (options !== undefined) return options[choice?.next(options.length) ?? 0];
  const branches = (schema["oneOf"] ?? schema["anyOf"]) as Schema[] | undefined;
  if (branches !== undefined) return sample(branches[choice?.next(branches.length) ?? 0] ?? {}, choice);
  const all = schema["allOf"] as Schema[] | undefined;
  if (all !== undefined) return Object.assign({}, ...all.map((part) => sample(part, choice)));
  const types = [schema["type"]].flat() as string[];
  if (types.includes("null") && (choice === null || types.length === 1 || choice.next(2) === 0)) return null;
  switch (types.find((type) => type !== "null")) {
    case "object": {
      const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
      const required = (schema["required"] ?? []) as string[];
      const more =
        choice === null ? [] : Object.keys(properties).filter((name) => !required.includes(name) && choice.next(3) > 0);
      return Object.fromEntries(
        [...required, ...more].map((name) => [name, HERE[name] ?? sample(properties[name] ?? {}, choice)]),
      );
    }
    case "array": {
      const least = (schema["minItems"] as number | undefined) ?? 0;
      const length = least + (choice?.next(3) ?? 0);
      return Array.from({ length }, () => sample((schema["items"] ?? {}) as Schema, choice));
    }
    case "string":
      return sampleText(schema);
    case "integer":
    case "number":
      return Math.max(
        (schema["minimum"] as number | undefined) ?? 0,
        (schema["exclusiveMinimum"] as number | undefined) ?? 0,
        1,
      );
    case "boolean":
      return false;
    default:
      return null;
  }
}

const compiled = new WeakMap<Schema, z.ZodType>();

/** Null when the value fits, else where it does not. */
export function misfit(schema: Schema, value: unknown): string | null {
  let type = compiled.get(schema);
  if (type === undefined) {
    type = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    compiled.set(schema, type);
  }
  const parsed = type.safeParse(value);
  if (parsed.success) return null;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`;
}
