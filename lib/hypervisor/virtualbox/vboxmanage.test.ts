import { expect, it } from "vitest";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import type { HostMachine } from "./host-machine.ts";
import { VBoxManage } from "./vboxmanage.ts";

/** Another machine with these files; its environment says that VBoxManage lies at `elsewhere`. */
function machine(there: readonly string[], elsewhere: string | null) {
  const ran: string[] = [];
  const fake: HostMachine = {
    name: "box",
    os: "linux",
    program: null,
    search: async () => elsewhere,
    files: {
      stat: async (path: string) => (there.includes(path) ? { size: 1, mtime: 0, isFile: true } : null),
    } as unknown as MachineFiles,
    async run(program) {
      ran.push(program);
      return { code: 0, stdout: "7.2.0r1\n", stderr: "" };
    },
    async [Symbol.asyncDispose]() {
      // Nothing is open.
    },
  };
  return { fake, ran };
}

it("is looked for in the usual places first, then where the other machine's environment says", async () => {
  const usual = machine(["/usr/bin/VBoxManage", "/opt/vb/VBoxManage"], "/opt/vb/VBoxManage");
  expect((await VBoxManage.find(usual.fake)).program).toBe("/usr/bin/VBoxManage");
  const elsewhere = machine(["/opt/vb/VBoxManage"], "/opt/vb/VBoxManage");
  expect((await VBoxManage.find(elsewhere.fake)).program).toBe("/opt/vb/VBoxManage");
  expect(elsewhere.ran).toEqual(["/opt/vb/VBoxManage"]);
});

it("is not run where there is no such file", async () => {
  for (const found of [null, "/gone/VBoxManage"]) {
    const { fake, ran } = machine([], found);
    await expect(VBoxManage.find(fake)).rejects.toMatchObject({ code: "host.no-hypervisor" });
    expect(ran).toEqual([]);
  }
});
