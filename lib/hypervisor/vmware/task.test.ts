import { describe, expect, it } from "vitest";
import { ref } from "./ref.ts";
import { removeSnapshot } from "./snapshot.ts";
import { runTask, type TaskOptions } from "./task.ts";
import { objectXml, scriptedClient } from "./testing-client.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";

const VM = ref("VirtualMachine", "vm-1");

/** A task that tells so often how far it is before it ends; null: it never ends. */
function taskOf(ends: number | null, moves: boolean) {
  let asked = 0;
  return scriptedClient(
    () => {
      asked += 1;
      const over = ends !== null && asked > ends;
      const info = over ? "<state>success</state>" : `<state>running</state><progress>${moves ? asked : 7}</progress>`;
      return [objectXml("Task", "task-1", { info: `<val>${info}</val>` })];
    },
    () => '<returnval type="Task">task-1</returnval>',
  );
}
const run = (scripted: ReturnType<typeof taskOf>, options: TaskOptions) =>
  runTask(scripted.client, "PowerOnVM_Task", VM, xml``, options);

describe("a task of vSphere", () => {
  it("is waited for as long as it gets on", async () => {
    const task = taskOf(5, true);
    // The pauses between two looks add up to several times the limit.
    expect(await run(task, { stallMs: 100 })).toBeNull();
    expect(task.calls).not.toContain("CancelTask");
  });

  it("that stands still is given up", async () => {
    const task = taskOf(null, false);
    await expect(run(task, { stallMs: 50 })).rejects.toMatchObject({ code: "host.timeout" });
    expect(task.calls).toContain("CancelTask");
  });

  it("goes on when the time for waiting is over, and not when it was given up", async () => {
    const late = taskOf(null, true);
    await expect(run(late, { signal: AbortSignal.timeout(40), goesOn: "late" })).rejects.toThrow();
    expect(late.calls).not.toContain("CancelTask");
    const stop = new AbortController();
    const given = taskOf(null, true);
    const running = run(given, { signal: stop.signal, goesOn: "late" });
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(given.calls).toContain("CancelTask");
  });

  it("that merges a snapshot back is never broken off", async () => {
    const stop = new AbortController();
    const tree =
      '<rootSnapshotList><snapshot type="VirtualMachineSnapshot">s-1</snapshot><name>supravisor-t</name></rootSnapshotList>';
    const { client, calls } = scriptedClient(
      () => [
        objectXml("VirtualMachine", "vm-1", {
          snapshot: `<val>${tree}</val>`,
          info: "<val><state>running</state></val>",
        }),
      ],
      () => '<returnval type="Task">task-1</returnval>',
    );
    const removing = removeSnapshot(client, "vm-1/t", { signal: stop.signal });
    while (!calls.includes("RemoveSnapshot_Task")) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error("enough"));
    await expect(removing).rejects.toThrow("enough");
    expect(calls).not.toContain("CancelTask");
  });
});
