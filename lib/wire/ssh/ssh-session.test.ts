import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { SshSession } from "./ssh-session.ts";

it("one that gives up waiting leaves the connection to the others, and closing ends their wait at once", async () => {
  // Takes connections and says nothing.
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let taken = 0;
  server.on("connection", (socket) => {
    taken += 1;
    socket.on("error", () => undefined);
  });
  const session = new SshSession({ host: "127.0.0.1", port, user: "x", hostKey: "SHA256:x" }, { password: "y" });
  const stop = new AbortController();
  const first = session.open(stop.signal);
  let second = "waits";
  const other = session.open().catch((error: unknown) => (second = String((error as { code?: unknown }).code)));
  const reason = new Error("enough");
  stop.abort(reason);
  await expect(first).rejects.toBe(reason);
  await expect.poll(() => taken).toBe(1);
  expect(second).toBe("waits");
  const asked = performance.now();
  await session[Symbol.asyncDispose]();
  await other;
  expect(performance.now() - asked).toBeLessThan(2000);
  expect(second).toBe("host.closed");
  await expect(session.open()).rejects.toMatchObject({ code: "host.closed" });
  server.close();
});
