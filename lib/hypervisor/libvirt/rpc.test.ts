/** How long a host may take for an answer, and how one that is gone is told from one that works. */
import { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { XdrWriter } from "#lib/wire/xdr/writer.ts";
import { KEEPALIVE_PROGRAM, PROC, PROGRAM } from "./procedures.ts";
import { LibvirtRpc } from "./rpc.ts";

const MINUTE = 60_000;

/** A host that answers pings as long as it lives, and calls when it is told to. */
function host() {
  const calls: { procedure: number; serial: number }[] = [];
  let lives = true;
  const say = (program: number, procedure: number, type: number, serial: number): void => {
    const header = Buffer.alloc(28);
    [28, program, 1, procedure, type, serial, 0].forEach((value, i) => header.writeUInt32BE(value, i * 4));
    socket.push(header);
  };
  const socket = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      const [program, , procedure = 0, , serial = 0] = [4, 8, 12, 16, 20].map((at) => bytes.readUInt32BE(at));
      if (program === KEEPALIVE_PROGRAM && lives) say(KEEPALIVE_PROGRAM, 2, 2, 0);
      if (program === PROGRAM) calls.push({ procedure, serial });
      done();
    },
  });
  const rpc = new LibvirtRpc(socket, "the host");
  rpc.startKeepalive();
  const ask = (procedure: number, signal?: AbortSignal): { said: string } => {
    const state = { said: "nothing" };
    rpc
      .call(procedure, new XdrWriter(), () => undefined, signal)
      .then(
        () => (state.said = "answer"),
        (error: unknown) =>
          (state.said = error instanceof Error && "code" in error ? String(error.code) : String(error)),
      );
    return state;
  };
  const answer = (index: number): void => say(PROGRAM, calls[index]?.procedure ?? 0, 1, calls[index]?.serial ?? 0);
  return { rpc, calls, ask, answer, dies: () => (lives = false) };
}

describe("a call of a libvirt host", () => {
  beforeEach(
    () => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] }),
  );
  afterEach(() => void vi.useRealTimers());
  const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));

  it("may take minutes where the work grows with storage or memory", async () => {
    const { rpc, ask, answer } = host();
    const slow = [PROC.poolRefresh, PROC.domainCreateWithFlags, PROC.domainUndefineFlags].map((each) => ask(each));
    const quick = ask(PROC.getHostname);
    await pass(5 * MINUTE);
    expect(quick.said).toBe("host.timeout");
    expect(slow.map(({ said }) => said)).toEqual(["nothing", "nothing", "nothing"]);
    answer(0);
    await pass(1);
    expect(slow[0]?.said).toBe("answer");
    await pass(20 * MINUTE);
    expect(slow[1]?.said).toBe("host.timeout");
    rpc.close();
  });

  it("ends within a minute when the host is gone, however long it might take", async () => {
    const { ask, dies } = host();
    const refresh = ask(PROC.poolRefresh);
    await pass(MINUTE);
    dies();
    await pass(MINUTE);
    expect(refresh.said).toBe("host.unreachable");
  });

  it("waits while the host works on four: with five it would read no pings", async () => {
    const { rpc, calls, ask, answer } = host();
    const stop = new AbortController();
    const first = ask(PROC.poolRefresh, stop.signal);
    const others = Array.from({ length: 5 }, () => ask(PROC.getHostname));
    await pass(1);
    expect(calls).toHaveLength(4);
    // The host goes on with what nobody waits for any more.
    stop.abort(new Error("stopped"));
    await pass(1);
    expect(first.said).toContain("stopped");
    expect(calls).toHaveLength(4);
    answer(0);
    await pass(1);
    expect(calls).toHaveLength(5);
    for (let i = 1; i < 6; i += 1) {
      answer(i);
      await pass(1);
    }
    expect(others.map(({ said }) => said)).toEqual(Array<string>(5).fill("answer"));
    rpc.close();
  });
});
