import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer, request as httpRequest, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Upload } from "tus-js-client";
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { statusOf } from "#lib/api/errors.ts";
import { auditEntries, images, imageVersions, jobs, ledger, uploads } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { errorToJson } from "#lib/errors.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { startLibrarySweep } from "./sweep.ts";
import { createUploadHandler } from "./uploads.ts";
import { uploadPath } from "./uploads/upload-path.ts";

let services: TestServices;
let ada: Ctx;
let bob: Ctx;
let auditor: Ctx;
const open: Server[] = [];
const endedCredentials = new Set<string>();

beforeAll(async () => {
  services = await testServices();
  ada = await testPerson(services, "operator");
  bob = await testPerson(services, "operator");
  auditor = await testPerson(services, "auditor");
});
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(() => services.close());

/** A server of its own, as after a restart: nothing in memory is shared with another one. */
async function serve(): Promise<string> {
  const people: Record<string, Ctx> = { ada, bob, auditor };
  const handler = createUploadHandler(services, {
    counts: async ({ id }) => !endedCredentials.has(id),
    everyMs: 20,
  });
  const server = createServer((request, response) => {
    const ctx = people[String(request.headers["x-person"])] ?? ada;
    handler(request, response, ctx).catch((error: unknown) => {
      const json = errorToJson(error);
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(statusOf(json.kind), { "content-type": "application/json" })
          .end(JSON.stringify({ error: json }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/uploads`;
}

const meta = (pairs: Record<string, string>) =>
  Object.entries(pairs)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString("base64")}`)
    .join(",");

const TUS = { "Tus-Resumable": "1.0.0" };

function begin(url: string, size: number, pairs: Record<string, string>, person = "ada") {
  return fetch(url, {
    method: "POST",
    headers: { ...TUS, "Upload-Length": String(size), "Upload-Metadata": meta(pairs), "x-person": person },
  });
}

const place = (url: string, response: Response) => new URL(response.headers.get("location") ?? "", url).href;

function send(url: string, offset: number, bytes: Uint8Array, person = "ada") {
  const headers = {
    ...TUS,
    "Upload-Offset": String(offset),
    "Content-Type": "application/offset+octet-stream",
    "x-person": person,
  };
  return fetch(url, { method: "PATCH", headers, body: bytes as Uint8Array<ArrayBuffer> });
}

const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code;
const idOf = (url: string) => url.split("/").at(-1) ?? "";

describe("uploads", () => {
  it("takes a file from tus-js-client in pieces, and makes version, job, ledger entry and audit entry of it", async () => {
    const url = await serve();
    const bytes = randomBytes(300_000);
    let imageId: string | null = null;
    await new Promise<void>((resolve, reject) => {
      new Upload(bytes, {
        endpoint: url,
        chunkSize: 65_536,
        metadata: { filename: "web01.qcow2" },
        onAfterResponse: (_request, response) => void (imageId = response.getHeader("Supravisor-Image") ?? imageId),
        onSuccess: () => resolve(),
        onError: reject,
      }).start();
    });
    const [image] = await services.db
      .select()
      .from(images)
      .where(eq(images.id, String(imageId)));
    expect(image?.name).toBe("web01");
    const [version] = await services.db
      .select()
      .from(imageVersions)
      .where(eq(imageVersions.imageId, String(imageId)));
    expect(version).toMatchObject({
      number: 1,
      state: "analysing",
      source: { kind: "upload", fileName: "web01.qcow2" },
    });
    const [job] = await services.db
      .select()
      .from(jobs)
      .where(eq(jobs.id, version?.jobId ?? ""));
    expect(job).toMatchObject({ kind: "image.analyse", input: { versionId: version?.id } });
    const [entry] = await services.db
      .select()
      .from(ledger)
      .where(eq(ledger.jobId, version?.jobId ?? ""));
    expect(entry).toMatchObject({ kind: "file", ref: `library/${version?.folder}`, state: "planned" });
    const [row] = await services.db
      .select()
      .from(uploads)
      .where(eq(uploads.versionId, version?.id ?? ""));
    expect(await readFile(uploadPath(services.dataDir, row?.id ?? ""))).toEqual(bytes);
    const audit = await services.db
      .select()
      .from(auditEntries)
      .where(eq(auditEntries.subjectId, String(imageId)));
    expect(audit).toMatchObject([{ action: "image.version-added", actorName: ada.actor.name }]);
  });

  it("goes on after a restart of the server from the byte that is there", async () => {
    const first = await serve();
    const bytes = randomBytes(100_000);
    const upload = place(first, await begin(first, bytes.length, { filename: "resumed.img" }));
    // The connection dies in the middle of a body.
    await new Promise<void>((resolve) => {
      const { port, pathname } = new URL(upload);
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write(
          `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`,
        );
        socket.write(bytes.subarray(0, 40_000));
        // Once they have arrived, however long that takes.
        void expect
          .poll(async () => (await stat(uploadPath(services.dataDir, idOf(upload)))).size, { timeout: 30_000 })
          .toBe(40_000)
          .finally(() => socket.destroy());
      });
      socket.on("close", () => resolve());
    });
    const second = await serve();
    const again = `${second}/${idOf(upload)}`;
    let offset = 0;
    await expect
      .poll(
        async () =>
          (offset = Number((await fetch(again, { method: "HEAD", headers: TUS })).headers.get("upload-offset"))),
      )
      .toBe(40_000);
    const list = (await (await fetch(second)).json()) as { items: { id: string; offset: number; size: number }[] };
    expect(list.items).toMatchObject([{ id: idOf(upload), offset: 40_000, size: 100_000, fileName: "resumed.img" }]);
    const done = await send(again, offset, bytes.subarray(offset));
    expect(done.status).toBe(204);
    expect(done.headers.get("supravisor-image")).not.toBeNull();
    expect(await readFile(uploadPath(services.dataDir, idOf(upload)))).toEqual(bytes);
    expect(((await (await fetch(second)).json()) as { items: unknown[] }).items).toEqual([]);
    // An answer that got lost is asked for again, and makes no second version.
    const head = await fetch(again, { method: "HEAD", headers: TUS });
    expect(head.headers.get("upload-offset")).toBe("100000");
    expect(head.headers.get("supravisor-image")).toBe(done.headers.get("supravisor-image"));
  });

  it("makes an image of a whole upload that no answer was given for, at the next start", async () => {
    const url = await serve();
    const bytes = randomBytes(1000);
    const upload = place(url, await begin(url, bytes.length, { filename: "late.img" }));
    await send(upload, 0, bytes.subarray(0, 999));
    // The last byte arrives, and the process dies before it says so.
    const { appendFile } = await import("node:fs/promises");
    await appendFile(uploadPath(services.dataDir, idOf(upload)), bytes.subarray(999));
    const sweep = await startLibrarySweep(services);
    await sweep.close();
    const [row] = await services.db
      .select()
      .from(uploads)
      .where(eq(uploads.id, idOf(upload)));
    expect(row?.state).toBe("filed");
    expect(row?.versionId).not.toBeNull();
  });

  it("starts one version when the last file of a set is there, whichever ends last", async () => {
    const url = await serve();
    const set = randomUUID();
    const parts = await Promise.all(
      ["disk-s001.vmdk", "disk-s002.vmdk", "disk.vmdk"].map(async (filename, n) => {
        const size = filename === "disk.vmdk" ? 100 : 5000 + n;
        return { size, at: place(url, await begin(url, size, { filename, set, setSize: "3" })) };
      }),
    );
    const answers = await Promise.all(parts.map(({ at, size }) => send(at, 0, randomBytes(size))));
    const named = answers.map((answer) => answer.headers.get("supravisor-image")).filter((name) => name !== null);
    expect(named).toHaveLength(1);
    const versions = await services.db
      .select()
      .from(imageVersions)
      .where(eq(imageVersions.imageId, named[0] ?? ""));
    expect(versions).toMatchObject([{ source: { kind: "upload", fileName: "disk.vmdk" } }]);
    const rows = await services.db
      .select()
      .from(uploads)
      .where(eq(uploads.versionId, versions[0]?.id ?? ""));
    expect(rows).toHaveLength(3);
  });

  it("numbers versions of one image that end at the same moment apart", async () => {
    const url = await serve();
    const first = await begin(url, 10, { filename: "many.img", name: "many" });
    const imageId = (await send(place(url, first), 0, randomBytes(10))).headers.get("supravisor-image") ?? "";
    const more = await Promise.all(
      Array.from({ length: 6 }, async () => place(url, await begin(url, 10, { filename: "many.img", imageId }))),
    );
    await Promise.all(more.map((at) => send(at, 0, randomBytes(10))));
    const versions = await services.db
      .select({ number: imageVersions.number })
      .from(imageVersions)
      .where(eq(imageVersions.imageId, imageId));
    expect(versions.map(({ number }) => number).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("is only for the person who began it", async () => {
    const url = await serve();
    const at = place(url, await begin(url, 10, { filename: "mine.img" }));
    expect((await send(at, 0, randomBytes(10), "bob")).status).toBe(404);
    expect((await fetch(at, { method: "HEAD", headers: { ...TUS, "x-person": "bob" } })).status).toBe(404);
    expect((await fetch(at, { method: "DELETE", headers: { ...TUS, "x-person": "bob" } })).status).toBe(404);
    expect((await stat(uploadPath(services.dataDir, idOf(at)))).size).toBe(0);
    expect((await fetch(at, { method: "DELETE", headers: TUS })).status).toBe(204);
    await expect(stat(uploadPath(services.dataDir, idOf(at)))).rejects.toThrow();
    expect((await fetch(at, { method: "HEAD", headers: TUS })).status).toBe(404);
    const trail = await services.db
      .select()
      .from(auditEntries)
      .where(eq(auditEntries.subjectId, idOf(at)))
      .orderBy(auditEntries.seq);
    expect(trail).toMatchObject([
      { action: "upload.begun", subjectName: "mine.img", details: { bytes: 10 } },
      { action: "upload.given-up", details: { bytes: 10, received: 0 } },
    ]);
  });

  it("refuses an auditor, and the trail says so", async () => {
    const url = await serve();
    const answer = await begin(url, 10, { filename: "x.img" }, "auditor");
    expect(answer.status).toBe(403);
    expect(await codeOf(answer)).toBe("auth.forbidden");
    const trail = await services.db
      .select()
      .from(auditEntries)
      .where(eq(auditEntries.actorId, auditor.actor.id ?? ""));
    expect(trail).toMatchObject([{ action: "upload.begun", result: "refused" }]);
    // Looking is no attempt: not at the list, which a page may ask for, nor at one upload.
    expect((await fetch(url, { headers: { "x-person": "auditor" } })).status).toBe(403);
    const one = { method: "HEAD", headers: { ...TUS, "x-person": "auditor" } };
    expect((await fetch(`${url}/${randomUUID()}`, one)).status).toBe(403);
    const after = await services.db
      .select()
      .from(auditEntries)
      .where(eq(auditEntries.actorId, auditor.actor.id ?? ""));
    expect(after).toHaveLength(1);
  });

  it("refuses names, sizes and offsets that cannot be", async () => {
    const url = await serve();
    for (const filename of ["../x.img", "a/b.img", "a\\b", ".hidden", "x\u0000y", ""]) {
      const answer = await begin(url, 10, { filename });
      expect(answer.status, filename).toBe(400);
    }
    expect(await codeOf(await begin(url, 0, { filename: "x.img" }))).toBe("upload.empty");
    expect(await codeOf(await begin(url, 2 ** 46, { filename: "x.img" }))).toBe("upload.too-large");
    expect(await codeOf(await begin(url, 10 * 1024 ** 4, { filename: "x.img" }))).toBe("library.full");
    expect(await codeOf(await begin(url, 10, { filename: "x.img", imageId: randomUUID() }))).toBe("image.not-found");
    expect(await codeOf(await begin(url, 10, { filename: "x.img", name: "many" }))).toBe("image.name-taken");
    const at = place(url, await begin(url, 10, { filename: "x.img" }));
    const early = await send(at, 5, randomBytes(5));
    expect(early.status).toBe(409);
    expect(await codeOf(early)).toBe("upload.wrong-offset");
    expect(await codeOf(await send(at, 0, randomBytes(11)))).toBe("upload.overlong");
    const old = await fetch(at, { method: "HEAD", headers: { "Tus-Resumable": "0.2.2" } });
    expect(old.status).toBe(400);
    expect(old.headers.get("tus-version")).toBe("1.0.0");
  });

  it("lets a new request take an upload over from one that hangs", async () => {
    const url = await serve();
    const bytes = randomBytes(2000);
    const at = place(url, await begin(url, bytes.length, { filename: "hang.img" }));
    const hanging = httpRequest(at, {
      method: "PATCH",
      headers: {
        ...TUS,
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": String(bytes.length),
      },
    });
    hanging.on("error", () => undefined);
    hanging.write(bytes.subarray(0, 700));
    await expect.poll(async () => (await stat(uploadPath(services.dataDir, idOf(at)))).size).toBe(700);
    const done = await send(at, 700, bytes.subarray(700));
    expect(done.status).toBe(204);
    expect(await readFile(uploadPath(services.dataDir, idOf(at)))).toEqual(bytes);
  });
});

it("is cut when what it was begun with ends, and goes on under another", async () => {
  const url = await serve();
  const bytes = randomBytes(200_000);
  const at = place(url, await begin(url, bytes.length, { filename: "cut.raw" }));
  const actor = ada.actor;
  ada = { ...ada, actor: { ...actor, credential: { kind: "session", id: "first" } } };
  try {
    // The handler's people were read when the server was made: another one with the same library.
    const own = new URL(new URL(at).pathname, await serve()).href;
    const headers = { ...TUS, "Content-Type": "application/offset+octet-stream" };
    const request = httpRequest(own, {
      method: "PATCH",
      headers: { ...headers, "Upload-Offset": "0", "Content-Length": bytes.length },
    });
    const closed = new Promise<void>((resolve) => request.once("close", () => resolve()));
    request.on("error", () => undefined);
    request.write(bytes.subarray(0, 100_000));
    const id = at.slice(at.lastIndexOf("/") + 1);
    const received = async () => (await stat(uploadPath(services.dataDir, id))).size;
    while ((await received()) < 100_000) await new Promise((resolve) => setTimeout(resolve, 5));
    endedCredentials.add("first");
    // Nothing is sent any more: the server ends it by itself.
    await closed;
    expect(await received()).toBe(100_000);
    ada = { ...ada, actor: { ...actor, credential: { kind: "session", id: "second" } } };
    const again = new URL(new URL(at).pathname, await serve()).href;
    const rest = await fetch(again, {
      method: "PATCH",
      headers: { ...headers, "Upload-Offset": "100000" },
      body: bytes.subarray(100_000),
    });
    expect([rest.status, rest.headers.get("upload-offset")]).toEqual([204, "200000"]);
  } finally {
    ada = { ...ada, actor };
  }
});
