/** The operations that the running console describes, with a request for each that it should understand. */
import { randomUUID } from "node:crypto";
import { ask } from "./ask.ts";
import { resolved, sample, type Schema } from "./sample.ts";

export interface Operation {
  /** "POST /hosts/{id}", below /api/v1. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  /** Of the JSON body; null without one. */
  readonly body: Schema | null;
  /** By status code or "default"; null for an answer without JSON. */
  readonly answers: Readonly<Record<string, Schema | null>>;
}

interface Described {
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: Schema }[];
  readonly requestBody?: { content?: Record<string, { schema?: Schema }> };
  readonly responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

const METHODS = new Set(["get", "put", "post", "patch", "delete", "head", "options"]);
const BASE = "/api/v1";

export async function readOperations(url: string): Promise<Operation[]> {
  const answer = await ask(url, "GET", `${BASE}/openapi.json`);
  const document = answer.json as {
    paths: Record<string, Record<string, Described>>;
    components?: { schemas?: Record<string, Schema> };
  };
  const known = document.components?.schemas ?? {};
  const jsonOf = (content: Record<string, { schema?: Schema }> | undefined): Schema | null => {
    const schema = Object.entries(content ?? {}).find(([type]) => type.includes("json"))?.[1].schema;
    return schema === undefined ? null : resolved(schema, known);
  };
  return Object.entries(document.paths).flatMap(([full, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.has(method))
      .map(([method, described]) => {
        const path = full.startsWith(BASE) ? full.slice(BASE.length) : full;
        return {
          name: `${method.toUpperCase()} ${path}`,
          method: method.toUpperCase(),
          path,
          parameters: (described.parameters ?? []).map((p) => ({
            name: p.name,
            in: p.in,
            required: p.required ?? false,
            schema: resolved(p.schema ?? {}, known),
          })),
          body: jsonOf(described.requestBody?.content),
          answers: Object.fromEntries(
            Object.entries(described.responses ?? {}).map(([status, { content }]) => [status, jsonOf(content)]),
          ),
        };
      }),
  );
}

/** What the schema does not say by itself: values that belong together. */
const BODIES: Readonly<Record<string, () => unknown>> = {
  "POST /hosts": () => ({ name: `h ${randomUUID()}`, target: demo }),
  "POST /hosts/test": () => ({ name: "h", target: demo }),
  "POST /users": () => ({
    email: `${randomUUID()}@example.test`,
    name: "New",
    password: `pass ${randomUUID()}`,
    role: "auditor",
  }),
  "POST /images/capture": () => ({ hostId: randomUUID(), vmRef: "v" }),
  "POST /images/import-url": () => ({ url: "https://127.0.0.1:1/x.raw", sha256: "0".repeat(64) }),
  "PATCH /settings": () => ({}),
};
const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } };

/** A body that is understood: ids lead nowhere, so that little happens. */
export function bodyFor(operation: Operation): unknown {
  if (operation.body === null) return undefined;
  return BODIES[operation.name]?.() ?? sample(operation.body);
}

/** The path with parameters filled in, and the query parameters that must be there. */
export function targetFor(operation: Operation, value: (name: string) => string = () => randomUUID()): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(value(name)));
  const query = operation.parameters
    .filter((p) => p.in === "query" && p.required)
    .map((p) => `${p.name}=${encodeURIComponent(String(sample(p.schema)))}`);
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}

/** Headers without which an operation does not even look at the rest. */
export function headersFor(operation: Operation): Record<string, string> {
  if (!operation.path.startsWith("/uploads")) return {};
  return {
    "tus-resumable": "1.0.0",
    ...(operation.method === "POST" ? { "upload-length": "1", "upload-metadata": "filename YS5yYXc=" } : {}),
    ...(operation.method === "PATCH"
      ? { "upload-offset": "0", "content-type": "application/offset+octet-stream" }
      : {}),
  };
}
