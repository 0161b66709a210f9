/** What an SSH server says: listings, output, errors, and the words before its name. */
import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Client, SFTPWrapper } from "ssh2";
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { openSsh } from "./open-ssh.ts";
import { runCommand } from "./run-command.ts";
import { sftpFiles } from "./sftp-files.ts";

interface Entry {
  readonly filename: string;
  readonly attrs: { isFile(): boolean };
}

/** A folder that is told in these answers, each again and again when it does not end. */
function folder(answers: readonly (readonly Entry[])[], endless = false) {
  let asked = 0;
  const sftp = Object.assign(new EventEmitter(), {
    opendir: (_path: string, done: (error: null, handle: Buffer) => void) => done(null, Buffer.alloc(1)),
    readdir(_handle: Buffer, done: (error: Error | null, list?: readonly Entry[]) => void) {
      const answer = answers[endless ? asked % answers.length : asked];
      asked += 1;
      if (answer === undefined) done(Object.assign(new Error("end"), { code: 1 }));
      else done(null, answer);
    },
    close: (_handle: Buffer, done: () => void) => done(),
  });
  sftp.setMaxListeners(0);
  const reach = { sftp: () => Promise.resolve(sftp as unknown as SFTPWrapper), space: () => Promise.resolve(null) };
  return { files: sftpFiles("the host", (path) => path, reach), asked: () => asked };
}

const entry = (filename: string, file = true): Entry => ({ filename, attrs: { isFile: () => file } });

describe("a listing by SFTP", () => {
  growsLinearly({
    parse: (answers: readonly (readonly Entry[])[]) => folder(answers).files.list("/"),
    worst: {
      "one name at a time": (n) => Array.from({ length: Math.ceil(n / 1024) }, (_, i) => [entry(`a${i}`)]),
      "nothing in many answers": (n) => Array.from({ length: Math.ceil(n / 1024) }, () => []),
      "many names in one answer": (n) => [Array.from({ length: Math.ceil(n / 1024) }, (_, i) => entry(`a${i}`, false))],
    },
  });

  it.each([
    ["names", [[entry("a"), entry("b")]]],
    ["answers without a name", [[]]],
    ["folders", [[entry("d", false)]]],
    ["names that are longer than any", [[entry("n".repeat(200_000))]]],
  ])("ends although the server goes on with %s", async (_what, answers) => {
    const { files, asked } = folder(answers, true);
    const names = await files.list("/");
    expect(names.length).toBeLessThanOrEqual(5000);
    expect(names.every((name) => name.length <= 4096)).toBe(true);
    expect(asked()).toBeLessThanOrEqual(5000);
  });
});

interface Sent {
  /** Pieces of output, and of errors. */
  readonly out?: number;
  readonly errors?: number;
  /** Of each. */
  readonly length: number;
}

/** A command whose server sends these pieces. */
function running(pieces: Sent): Client {
  const channel = Object.assign(new EventEmitter(), {
    stderr: new EventEmitter(),
    signal: () => undefined,
    close: () => undefined,
    end() {
      const piece = Buffer.alloc(pieces.length, "x");
      for (let i = 0; i < (pieces.out ?? 0); i += 1) channel.emit("data", piece);
      for (let i = 0; i < (pieces.errors ?? 0); i += 1) channel.stderr.emit("data", piece);
      channel.emit("exit", 0);
      channel.emit("close");
    },
  });
  const client = Object.assign(new EventEmitter(), {
    exec: (_command: string, done: (error: undefined, made: typeof channel) => void) => done(undefined, channel),
  });
  return client as unknown as Client;
}
const LIMITS = { timeoutMs: 60_000, maxBytes: 64 * 1024 ** 2 };

describe("a command by SSH", () => {
  growsLinearly({
    parse: (sent: Sent) => runCommand(running(sent), "x", LIMITS),
    worst: {
      "output in single bytes": (n) => ({ out: n, length: 1 }),
      "errors in single bytes": (n) => ({ errors: n, length: 1 }),
      "long errors": (n) => ({ errors: Math.ceil(n / 32_768), length: 32_768 }),
    },
  });

  it("is refused for more output than was asked for, and of its errors the beginning is kept", async () => {
    const much = running({ out: 1001, length: 1 });
    await expect(runCommand(much, "x", { ...LIMITS, maxBytes: 1000 })).rejects.toMatchObject({ code: "host.protocol" });
    const { stderr } = await runCommand(running({ errors: 100, length: 32_768 }), "x", LIMITS);
    expect(stderr).toBe("x".repeat(256 * 1024));
  });
});

describe("the words before an SSH server's name", () => {
  it.each([
    ["a line that does not end", "a".repeat(65_536)],
    ["lines that do not end", "a\r\n".repeat(20_000)],
  ])("are refused: %s", async (_what, words) => {
    const server = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      const more = (): void => {
        while (!socket.destroyed && socket.write(words));
      };
      socket.on("drain", more);
      more();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const target = { host: "127.0.0.1", port, user: "x", hostKey: "SHA256:x" };
    await expect(openSsh(target, { password: "y" })).rejects.toMatchObject({ code: "host.unreachable" });
    server.close();
  });
});
