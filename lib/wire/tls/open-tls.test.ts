import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:tls";
import { generate } from "selfsigned";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openTls, shownBy } from "./open-tls.ts";

let server: Server;
let certificate: string;
const target = () => ({
  host: "127.0.0.1",
  port: (server.address() as AddressInfo).port,
  certificate,
  ca: null,
  clientCertificate: null,
  clientKey: null,
});

beforeAll(async () => {
  const { private: key, cert } = await generate([{ name: "commonName", value: "host" }], { keyType: "ec" });
  certificate = createHash("sha256").update(new X509Certificate(cert).raw).digest("hex");
  server = createServer({ key, cert }, (socket) => void socket.on("error", () => undefined).pipe(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => void server.close());

it("opens a connection that outlives the limit of its opening", async () => {
  const opening = new AbortController();
  const socket = await openTls(target(), opening.signal);
  opening.abort(new Error("the time for opening is over"));
  socket.write("still there");
  expect(String((await once(socket, "data"))[0])).toBe("still there");
  // Sign-ins are bound to it: it is asked for more than once.
  for (let time = 0; time < 3; time += 1)
    expect(createHash("sha256").update(shownBy(socket)).digest("hex")).toBe(certificate);
  socket.destroy();
});

it("gives up with the reason of its signal", async () => {
  const reason = new Error("not any more");
  await expect(openTls(target(), AbortSignal.abort(reason))).rejects.toBe(reason);
});

// OpenSSL takes 100 KiB of certificates; nothing but the digest of the first is made of them.
it.each([
  [20, "host.identity-unconfirmed"],
  [400, "host.unreachable"],
])("looks at the first of %d certificates: %s", async (count, code) => {
  const { private: key, cert } = await generate([{ name: "commonName", value: "host" }], { keyType: "ec" });
  const many = createServer(
    { key, cert: `${cert.trim()}\n`.repeat(count) },
    (socket) => void socket.on("error", () => undefined),
  );
  many.on("tlsClientError", () => undefined);
  await once(many.listen(0, "127.0.0.1"), "listening");
  const { port } = many.address() as AddressInfo;
  const refused = await openTls({ ...target(), port, certificate: null }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code });
  if (code === "host.identity-unconfirmed")
    expect(refused).toMatchObject({
      details: { fingerprint: createHash("sha256").update(new X509Certificate(cert).raw).digest("hex") },
    });
  many.close();
});
