import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { api, setSignedOutHandler, withParams } from "./client.ts";

let server: Server;
let answer: { status: number; body: string };
let seen: { method: string; url: string; type: string | undefined; body: string };
const realFetch = globalThis.fetch;

beforeEach(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen = {
        method: request.method ?? "",
        url: request.url ?? "",
        type: request.headers["content-type"],
        body: Buffer.concat(chunks).toString(),
      };
      response.writeHead(answer.status).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  // A page fetches relative to its own address; Node has none.
  vi.stubGlobal("fetch", (input: string, init: RequestInit) => realFetch(`http://127.0.0.1:${port}${input}`, init));
});
afterEach(async () => {
  vi.unstubAllGlobals();
  setSignedOutHandler(() => undefined);
  await new Promise((resolve) => server.close(resolve));
});

it("parses the answer with the schema", async () => {
  answer = { status: 200, body: '{"n":3,"more":true}' };
  await expect(api.get("/x", z.object({ n: z.number() }), { q: "a b", none: null })).resolves.toEqual({ n: 3 });
  expect(seen).toMatchObject({ method: "GET", url: "/api/v1/x?q=a+b", type: undefined });
});

it("sends JSON with every unsafe method", async () => {
  answer = { status: 200, body: "{}" };
  await api.post("/x", z.object({}));
  expect(seen).toMatchObject({ method: "POST", type: "application/json", body: "{}" });
  answer = { status: 204, body: "" };
  await api.delete("/x/1");
  expect(seen).toMatchObject({ method: "DELETE", type: "application/json" });
});

it("keeps the server's code, message and hint", async () => {
  answer = {
    status: 409,
    body: JSON.stringify({
      error: { kind: "conflict", code: "host.exists", message: "There is one.", hint: "Rename it." },
    }),
  };
  await expect(api.post("/hosts", z.unknown(), { name: "a" })).rejects.toMatchObject({
    kind: "conflict",
    code: "host.exists",
    message: "There is one.",
    hint: "Rename it.",
  });
});

it("explains an answer that is no error body", async () => {
  answer = { status: 502, body: "<html>" };
  await expect(api.get("/x", z.unknown())).rejects.toMatchObject({ kind: "internal", code: "http.502" });
});

it("refuses an answer of another shape", async () => {
  answer = { status: 200, body: '{"n":"three"}' };
  await expect(api.get("/x", z.object({ n: z.number() }))).rejects.toMatchObject({ code: "server.unexpected-answer" });
});

it("tells the shell when the session has ended", async () => {
  const signedOut = vi.fn();
  setSignedOutHandler(signedOut);
  answer = {
    status: 401,
    body: JSON.stringify({ error: { kind: "unauthenticated", code: "auth.required", message: "Sign in." } }),
  };
  await expect(api.get("/x", z.unknown())).rejects.toMatchObject({ code: "auth.required" });
  expect(signedOut).toHaveBeenCalledOnce();
});

it("does not tell the shell of the refusal that the shell asked for", async () => {
  const signedOut = vi.fn();
  setSignedOutHandler(signedOut);
  answer = {
    status: 401,
    body: JSON.stringify({ error: { kind: "unauthenticated", code: "auth.required", message: "Sign in." } }),
  };
  await expect(api.get("/session", z.unknown())).rejects.toMatchObject({ code: "auth.required" });
  expect(signedOut).not.toHaveBeenCalled();
});

it("says that the server cannot be reached", async () => {
  await new Promise((resolve) => server.close(resolve));
  await expect(api.get("/x", z.unknown())).rejects.toMatchObject({ kind: "unavailable", code: "server.unreachable" });
});

it("leaves empty parameters out", () => {
  expect(withParams("/a", { a: "", b: null, c: undefined, d: [], e: ["x", "y"], f: 0, g: false })).toBe(
    "/a?e=x%2Cy&f=0&g=false",
  );
});
