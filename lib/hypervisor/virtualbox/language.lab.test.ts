/** A VirtualBox that speaks another language, as one does whose server was started in it. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localTarget } from "#e2e/lab/virtualbox/host.ts";
import { speak, whyNoLanguages } from "#e2e/lab/virtualbox/languages.ts";
import { type VirtualBoxLab, virtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { openHost } from "../registry.ts";

const reason = whyNoLanguages();

describe.skipIf(reason !== null)(`VirtualBox in Catalan${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: VirtualBoxLab;
  beforeAll(() => {
    lab = virtualBoxLab();
  });
  afterAll(() => lab.stop());

  it("is told to its user with what helps, removes nothing meanwhile, and is cured by that", async () => {
    const target = localTarget(lab);
    const path = join(lab.machineFolder, "kept.vdi");
    lab.vboxManage("createmedium", "disk", "--filename", path, "--size", "4");
    lab.vboxManage("createvm", "--name", "owner", "--register");
    lab.vboxManage("storagectl", "owner", "--name", "SATA", "--add", "sata");
    const place = ["--storagectl", "SATA", "--port", "0", "--type", "hdd"];
    lab.vboxManage("storageattach", "owner", ...place, "--medium", path);
    await using open = await openHost(target, null);
    speak(lab, "ca");
    expect(lab.vboxManage("list", "systemproperties")).toContain("Carpeta de màquines");
    const other = { code: "host.other-language", hint: expect.stringContaining("VBoxManage setproperty language C") };
    await expect(openHost(target, null)).rejects.toMatchObject(other);
    await expect(open.refreshCapabilities()).rejects.toMatchObject(other);
    // Whether somebody uses the disk is among what cannot be read now.
    await expect(open.remove({ kind: "disk", ref: path, label: "the disk" })).rejects.toMatchObject(other);
    expect(existsSync(path)).toBe(true);
    // What is found by codes is found in any language.
    await expect(open.vm(randomUUID())).rejects.toMatchObject({
      code: expect.stringMatching(/^(vm\.not-found|host\.other-language)$/),
    });
    lab.vboxManage("setproperty", "language", "C");
    await using cured = await openHost(target, null);
    expect((await cured.refreshCapabilities()).diskFormats).toContain("vdi");
    await expect(cured.vm(randomUUID())).rejects.toMatchObject({ code: "vm.not-found" });
  });
});
