/** The reference page: Scalar's reader over our own OpenAPI document, served from here alone. */
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { productVersion } from "#lib/version.ts";
import type { Api } from "./types.ts";

function readerPath(): string {
  return join(
    dirname(createRequire(import.meta.url).resolve("@scalar/api-reference/package.json")),
    "dist",
    "browser",
    "standalone.js",
  );
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Supravisor API</title>
</head>
<body>
<noscript>The document itself: <a href="/api/v1/openapi.json">/api/v1/openapi.json</a></noscript>
<script id="api-reference" type="application/json" data-url="/api/v1/openapi.json" data-configuration='{"withDefaultFonts":false,"hideClientButton":true,"telemetry":false,"agent":{"disabled":true}}'></script>
<script src="/api/v1/docs/reader.js"></script>
</body>
</html>
`;

/** The reader compiles templates and styles at run time; nothing of it may load from or send to another origin. */
const CSP =
  "default-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export function registerDocsRoutes(api: Api): void {
  api.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "A personal token, `svt_…`",
  });
  api.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Supravisor",
      version: productVersion,
      description:
        "Everything that the console's pages do. Errors answer `{error: {code, message, hint}}`; codes are stable.",
    },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
  });
  api.get("/docs", (c) => {
    c.header("Content-Security-Policy", CSP);
    return c.html(PAGE);
  });
  api.get("/docs/reader.js", (c) => {
    c.header("Content-Type", "text/javascript; charset=utf-8");
    c.header("Cache-Control", "public, max-age=86400");
    return c.body(Readable.toWeb(createReadStream(readerPath())) as ReadableStream);
  });
}
