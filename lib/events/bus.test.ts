import { afterEach, describe, expect, it, vi } from "vitest";
import type { ListenEvents } from "#lib/db/listen.ts";
import { LiveEvent } from "#lib/domain/page.ts";
import { localBus, openBus } from "./bus.ts";
import { openOutbox } from "./outbox.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a bus", () => {
  it("tells everybody, whatever one of the listeners does", () => {
    const failed: unknown[] = [];
    const bus = localBus((error) => failed.push(error));
    const heard: LiveEvent[] = [];
    bus.subscribe(() => {
      throw new Error("this listener is broken");
    });
    bus.subscribe((event) => heard.push(event));
    bus.publish({ type: "settings" });
    expect(heard).toEqual([{ type: "settings" }]);
    expect(failed).toHaveLength(1);
  });

  it("takes what others notify, and nothing that is not theirs or makes no sense", async () => {
    let events: ListenEvents | null = null;
    const sent: string[] = [];
    const bus = await openBus({
      driver: "postgres",
      listen: async (_channel, given) => {
        events = given;
        return async () => undefined;
      },
      notify: async (_channel, payload) => {
        sent.push(payload);
      },
    });
    const heard: LiveEvent[] = [];
    bus.subscribe((event) => heard.push(event));
    const say = (payload: string) => events?.notified(payload);
    for (const foreign of [
      "",
      "hello",
      "null",
      "17",
      "[]",
      "{}",
      '{"from":"x"}',
      '{"from":"x","events":{}}',
      '{"from":"x","events":[null,1,{"type":"unknown"},{"type":"host"}]}',
      '{"from":17,"events":[{"type":"settings"}]}',
      `{"from":"x","events":[{"type":"host","id":"${"a".repeat(5)}"`,
    ])
      say(foreign);
    expect(heard).toEqual([]);
    say('{"from":"x","events":[{"type":"newer","id":"1"},{"type":"host","id":"1"}]}');
    expect(heard).toEqual([{ type: "host", id: "1" }]);
    events!.gap();
    expect(heard.at(-1)).toEqual({ type: "gap" });

    bus.publish({ type: "audit" });
    await bus.close();
    expect(sent).toHaveLength(1);
    // Its own words come back by the database; they were told here already.
    say(sent[0]!);
    expect(heard.filter((event) => event.type === "audit")).toHaveLength(1);
  });
});

describe("events on their way out", () => {
  it("that could not be sent are told as a gap once that is possible, tried ever more seldom", async () => {
    vi.useFakeTimers();
    let away = true;
    let tries = 0;
    const arrived: LiveEvent[] = [];
    const outbox = openOutbox(async (events) => {
      tries += 1;
      if (away) throw new Error("the database is away");
      arrived.push(...events);
    });
    for (let second = 0; second < 60; second += 1) {
      outbox.add({ type: "host", id: String(second) });
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(25);
    away = false;
    await vi.advanceTimersByTimeAsync(11_000);
    expect(arrived).toEqual([{ type: "gap" }]);
    outbox.add({ type: "settings" });
    await vi.advanceTimersByTimeAsync(100);
    expect(arrived).toEqual([{ type: "gap" }, { type: "settings" }]);
    await outbox.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("fit into what NOTIFY takes, in bytes; one that cannot is told as a gap", async () => {
    const sent: (readonly LiveEvent[])[] = [];
    const outbox = openOutbox(async (events) => {
      sent.push(events);
    });
    for (let n = 0; n < 300; n += 1) outbox.add({ type: "host", id: `host-ü-${n}-${"é".repeat(40)}` });
    outbox.add({
      type: "inventory",
      hostId: "h",
      kinds: ["vm"],
      refs: Array.from({ length: 90 }, () => "ö".repeat(60)),
    });
    outbox.add({ type: "settings" });
    await outbox.close();
    for (const events of sent)
      expect(Buffer.byteLength(JSON.stringify({ from: "0".repeat(36), events }))).toBeLessThan(8000);
    const all = sent.flat();
    expect(all).toHaveLength(302);
    expect(all.slice(300)).toEqual([{ type: "gap" }, { type: "settings" }]);
    for (const event of all) expect(LiveEvent.safeParse(event).success).toBe(true);
  });
});
