import { describe, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { localTarget, sshTarget } from "#e2e/lab/virtualbox/host.ts";
import { startVirtualBoxSshd } from "#e2e/lab/virtualbox/sshd.ts";
import { virtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { describeAdapterContract } from "../contract.ts";
import { openHost } from "../registry.ts";

const reason = whyNoVirtualBox();
if (reason === null) {
  describeAdapterContract("a real VirtualBox on this machine", async () => {
    const lab = virtualBoxLab();
    return {
      open: () => openHost(localTarget(lab), null),
      poolRef: lab.machineFolder,
      networkRef: "nat",
      dispose: async () => lab.stop(),
    };
  });
  describeAdapterContract("a real VirtualBox through SSH", async () => {
    const lab = virtualBoxLab();
    const { target, secret } = sshTarget(await startVirtualBoxSshd(lab));
    return {
      open: () => openHost(target, secret),
      poolRef: lab.machineFolder,
      networkRef: "intnet:lab net",
      dispose: async () => lab.stop(),
    };
  });
} else {
  describe.skip(`a real VirtualBox (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
}
