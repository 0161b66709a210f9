import { expect, it } from "vitest";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import { readCapabilities } from "./capabilities.ts";
import { hostFacts, readHost } from "./host-facts.ts";
import type { HostMachine } from "./host-machine.ts";
import { VBoxManage } from "./vboxmanage.ts";

const HOST = "Processor online count: 8\nProcessor#0 description: ";
const PROPERTIES = "API version:   7_2\nDefault machine folder:   /Users/ann/VirtualBox VMs\n";

/** A VirtualBox that says this. */
function saying(said: Readonly<Record<string, string>>): Promise<VBoxManage> {
  const fake: HostMachine = {
    name: "box",
    os: "macos",
    program: null,
    search: async () => null,
    files: { stat: async () => ({ size: 1, mtime: 0, isFile: true }) } as unknown as MachineFiles,
    run: async (_program, args) => ({ code: 0, stdout: said[args.join(" ")] ?? "", stderr: "" }),
    async [Symbol.asyncDispose]() {
      // Nothing is open.
    },
  };
  return VBoxManage.find(fake);
}

it.each([
  // As its translators put it, and nothing at all, which is what a locale that lacks the letters gets.
  "API-Version:   7_2\nMinimale RAM-Größe des Gastes:   4 Megabyte\nVoreingestellter Maschinenordner:   /home/jörg/VMs\n",
  "Версия API:   7_2\nПапка машин по умолчанию:   /home/x\n",
  "",
])("says that it does not speak English, and what to do", async (properties) => {
  const vbox = await saying({
    "--version": "7.1.4r1\n",
    "list systemproperties": properties,
    "list hostinfo": HOST,
  });
  await expect(readHost(vbox)).rejects.toMatchObject({
    code: "host.other-language",
    hint: expect.stringContaining("setproperty language C"),
  });
});

it.each([
  ["7.2.2r1", "ARM", "Apple M3", "aarch64"],
  ["7.2.2r1", "arm64", "Snapdragon(R) X Elite", "aarch64"],
  ["7.2.2r1", "x86", "Intel(R) Core(TM) i7", "x86_64"],
  ["7.2.2r1", "x86, ARM", "AMD EPYC", "x86_64"],
  ["7.0.8r1", null, "Apple M1", "aarch64"],
  ["7.0.8r1", null, "Intel(R) Core(TM) i7", "x86_64"],
])("VirtualBox %s for %s on %s is for %s", async (version, architectures, processor, arch) => {
  const vbox = await saying({
    "--version": `${version}\n`,
    "list hostinfo": `${HOST}${processor}\nProcessor supports long mode: yes\nProcessor supports HW virtualization: yes\n`,
    "list systemproperties": `${PROPERTIES}${architectures === null ? "" : `Supported platform architectures: ${architectures}\n`}`,
  });
  const host = await readHost(vbox);
  expect(hostFacts(vbox, host).arch).toBe(arch);
  const capabilities = await readCapabilities(vbox, host);
  const can = arch === "x86_64";
  expect(capabilities.canStartVms).toBe(can);
  expect(capabilities.firmware.map(({ available }) => available)).toEqual([can, can]);
  for (const { reason } of capabilities.firmware)
    expect(reason).toEqual(can ? null : expect.stringContaining("box is an ARM machine"));
});
