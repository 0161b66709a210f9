/** A TCP proxy in front of a test's Postgres, which can misbehave in the ways that networks and servers do. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** pass: carries; refuse: nobody listens; close: accepts and closes; silent: carries nothing any more, and ends nothing. */
export type ProxyMode = "pass" | "refuse" | "close" | "silent";

export interface TestProxy {
  readonly url: string;
  /** Connections that were accepted so far. */
  accepted(): number;
  /** From now on; "refuse" and "close" also cut what is open. */
  become(mode: ProxyMode): Promise<void>;
  close(): Promise<void>;
}

export async function startTestProxy(unixSocket: string): Promise<TestProxy> {
  let mode: ProxyMode = "pass";
  let accepted = 0;
  const open = new Set<Socket>();
  /** What was open when it became silent stays so, as behind a firewall that forgot it. */
  const forgotten = new WeakSet<Socket>();
  const carry = (client: Socket): void => {
    accepted += 1;
    client.on("error", () => undefined);
    if (mode === "close") {
      client.destroy();
      return;
    }
    open.add(client);
    client.on("close", () => open.delete(client));
    if (mode === "silent") {
      forgotten.add(client);
      return;
    }
    const database = connect(unixSocket);
    database.on("error", () => client.destroy());
    database.on("data", (data) => forgotten.has(client) || client.write(data));
    database.on("close", () => forgotten.has(client) || client.destroy());
    client.on("data", (data) => forgotten.has(client) || database.write(data));
    client.on("close", () => database.destroy());
  };
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  let server: Server | null = null;
  let port = 0;
  const listen = async (): Promise<void> => {
    server = createServer(carry).listen(port, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  };
  const unlisten = async (): Promise<void> => {
    const listening = server;
    server = null;
    cut();
    if (listening !== null) await new Promise((resolve) => listening.close(resolve));
  };
  await listen();
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    accepted: () => accepted,
    async become(next) {
      mode = next;
      if (next === "close") cut();
      if (next === "silent") for (const socket of open) forgotten.add(socket);
      if (next === "refuse") await unlisten();
      else if (server === null) await listen();
    },
    close: unlisten,
  };
}
