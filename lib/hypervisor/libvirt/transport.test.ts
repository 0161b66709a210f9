import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openTransport } from "./transport.ts";

it("opens a socket that outlives the limit of its opening", async () => {
  const folder = await mkdtemp(join(tmpdir(), "supravisor-transport-"));
  const path = join(folder, "sock");
  const server = createServer((socket) => void socket.on("error", () => undefined).pipe(socket));
  await once(server.listen(path), "listening");
  try {
    const opening = new AbortController();
    const { stream, close } = await openTransport(
      { transport: "unix", socket: path },
      null,
      "qemu:///system",
      opening.signal,
    );
    opening.abort(new Error("the time for opening is over"));
    stream.write("still there");
    expect(String((await once(stream, "data"))[0])).toBe("still there");
    close();
    const reason = new Error("not any more");
    const late = openTransport({ transport: "unix", socket: path }, null, "qemu:///system", AbortSignal.abort(reason));
    await expect(late).rejects.toBe(reason);
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
