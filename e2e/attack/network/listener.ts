/** A server that counts who comes: on loopback addresses that nobody was allowed to reach. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

export interface Listener {
  readonly port: number;
  /** Connections so far. */
  count(): number;
  /** First bytes that came, as Latin-1. */
  readonly heard: string[];
  close(): Promise<void>;
}

/** `answer` gets each connection; without it the listener only listens. `host` "::" takes both families. */
export async function listen(
  host: string,
  answer: (socket: Socket, first: string) => void = () => undefined,
  port = 0,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  const heard: string[] = [];
  let count = 0;
  const server: Server = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (chunk) => {
      const first = chunk.toString("latin1");
      heard.push(first.slice(0, 500));
      answer(socket, first);
    });
  });
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    count: () => count,
    heard,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
