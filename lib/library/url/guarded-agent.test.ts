/** Names that lead somewhere else than they seem to, with real listeners and a resolver of our own. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Verdict } from "./address-rule.ts";
import { GuardedAgent } from "./guarded-agent.ts";
import { openUrl } from "./open-url.ts";

const never = new AbortController().signal;
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** On all addresses of 127/8: 127.0.0.1 stands for a public server, .2 for a listed one, others for what is closed. */
const rule = (address: string): Verdict => {
  const last = /^(?:::ffff:)?127\.0\.0\.(\d+)$/.exec(address)?.[1];
  return last === "1" ? "public" : last === "2" ? "listed" : last === "3" ? "private" : "never";
};

/** Counts by the address that was connected to. */
async function listen(answer: (host: string) => string | null = () => null) {
  const connected: string[] = [];
  const server = createServer((request, response) => {
    const location = answer(request.headers.host ?? "");
    if (location === null) response.end("here");
    else response.writeHead(302, { location }).end();
  });
  server.on("connection", (socket) => connected.push(socket.localAddress ?? ""));
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  open.push(server);
  return { port: (server.address() as AddressInfo).port, connected };
}

/** Each name answers with the next of its lists, the last one again and again. */
function resolver(names: Record<string, readonly (readonly string[])[]>) {
  const asked: string[] = [];
  const lookup: ConstructorParameters<typeof GuardedAgent>[1] = (host, _options, callback) => {
    const lists = names[host] ?? [];
    const list = lists[Math.min(asked.filter((each) => each === host).length, lists.length - 1)];
    asked.push(host);
    if (list === undefined) callback(Object.assign(new Error("unknown"), { code: "ENOTFOUND" }), []);
    else
      callback(
        null,
        list.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
  };
  return { asked, lookup };
}

async function get(agent: GuardedAgent, url: string): Promise<string> {
  try {
    const { body } = await openUrl(agent, url, null, never);
    let text = "";
    for await (const chunk of body) text += String(chunk);
    return text;
  } catch (error) {
    for (let at = error; at instanceof Error; at = at.cause)
      if ("code" in at && String(at.code).startsWith("import.")) return String(at.code);
    throw error;
  }
}

describe("GuardedAgent", () => {
  it("goes where the name leads, if that is open", async () => {
    const { port, connected } = await listen();
    const { lookup } = resolver({ "public.example": [["127.0.0.1"]], "listed.example": [["127.0.0.2"]] });
    await using agent = new GuardedAgent(rule, lookup);
    expect(await get(agent, `http://public.example:${port}/`)).toBe("here");
    expect(agent.wasInside).toBe(false);
    expect(await get(agent, `http://listed.example:${port}/`)).toBe("here");
    expect(agent.wasInside).toBe(true);
    expect(connected).toEqual(["127.0.0.1", "127.0.0.2"]);
  });

  it("never connects to what is closed: by name, by literal, by a redirect to either", async () => {
    const { port, connected } = await listen((host) =>
      host.startsWith("hop")
        ? `http://${host.split(".")[0]?.slice(3)}.example:${port}/`
        : host.startsWith("literal")
          ? `http://127.0.0.3:${port}/`
          : null,
    );
    const { lookup } = resolver({
      "private.example": [["127.0.0.3"]],
      "never.example": [["127.0.0.9", "::1"]],
      "hopprivate.example": [["127.0.0.1"]],
      "hopnever.example": [["127.0.0.1"]],
      "literal.example": [["127.0.0.1"]],
    });
    await using agent = new GuardedAgent(rule, lookup);
    for (const host of [
      "private.example",
      "never.example",
      "127.0.0.3",
      "127.0.0.9",
      "[::1]",
      "2130706435",
      "0x7f.0.0.3",
    ])
      expect(await get(agent, `http://${host}:${port}/`), host).toBe("import.private-address");
    expect(connected).toEqual([]);
    for (const host of ["hopprivate.example", "hopnever.example", "literal.example"])
      expect(await get(agent, `http://${host}:${port}/`), host).toBe("import.private-address");
    expect(connected).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  });

  it("follows no redirect to another protocol, with an account in it, or to a port of another protocol", async () => {
    for (const location of [
      "file:///etc/passwd",
      "ftp://public.example/",
      "http://a:b@public.example/",
      "http://public.example:25/",
    ]) {
      const { port } = await listen(() => location);
      const { lookup, asked } = resolver({ "public.example": [["127.0.0.1"]] });
      await using agent = new GuardedAgent(rule, lookup);
      expect(await get(agent, `http://public.example:${port}/`), location).toBe("import.bad-url");
      expect(asked).toEqual(["public.example"]);
    }
  });

  it("is not misled by a name that answers differently the second time", async () => {
    const { port, connected } = await listen((host) => (host.startsWith("rebind") ? "/again" : null));
    const { lookup, asked } = resolver({ "rebind.example": [["127.0.0.1"], ["127.0.0.3"]] });
    // Whatever is asked first for a look, the connection goes by the answer that was judged.
    {
      await using agent = new GuardedAgent(rule, lookup);
      const first = await openUrl(agent, `http://rebind.example:${port}/`, null, never).catch(
        (error: unknown) => error,
      );
      expect(first).toBeInstanceOf(Error);
    }
    {
      await using agent = new GuardedAgent(rule, lookup);
      expect(await get(agent, `http://rebind.example:${port}/`)).toBe("import.private-address");
    }
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(connected).not.toContain("127.0.0.3");
  });

  it("takes the open ones of several addresses only", async () => {
    const { port, connected } = await listen();
    const { lookup } = resolver({ "mixed.example": [["127.0.0.3", "127.0.0.9", "127.0.0.1"]] });
    await using agent = new GuardedAgent(rule, lookup);
    expect(await get(agent, `http://mixed.example:${port}/`)).toBe("here");
    expect(connected).toEqual(["127.0.0.1"]);
  });

  it("looks at where the socket truly went, whatever was judged before", async () => {
    const { port, connected } = await listen();
    let calls = 0;
    // The first look calls it public, as a name server that lies in between would.
    const fickle = (address: string): Verdict => ((calls += 1) === 1 ? "public" : rule(address));
    const { lookup } = resolver({ "fickle.example": [["127.0.0.3"]] });
    await using agent = new GuardedAgent(fickle, lookup);
    expect(await get(agent, `http://fickle.example:${port}/`)).toBe("import.private-address");
    expect(connected).toEqual(["127.0.0.3"]);
    expect(agent.wasInside).toBe(false);
  });

  it("tells a name that does not exist from name servers that do not answer", async () => {
    const fails = (code: string) =>
      new GuardedAgent(rule, (_host, _options, callback) => callback(Object.assign(new Error(code), { code }), []));
    await using gone = fails("ENOTFOUND");
    expect(await get(gone, "http://gone.example/")).toBe("import.unknown-host");
    await using later = fails("EAI_AGAIN");
    await expect(get(later, "http://later.example/")).rejects.toMatchObject({ code: "EAI_AGAIN" });
  });
});
