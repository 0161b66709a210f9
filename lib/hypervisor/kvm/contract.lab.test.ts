import { describe, it } from "vitest";
import { startLibvirtd, whyNoLibvirtd } from "#e2e/lab/libvirt/libvirtd.ts";
import { describeAdapterContract } from "../contract.ts";
import { kvmDriver } from "./driver.ts";

const reason = whyNoLibvirtd();
if (reason === null) {
  describeAdapterContract("KVM by a real libvirtd", async () => {
    const lab = startLibvirtd();
    return {
      open: () => kvmDriver.open({ transport: "unix", socket: lab.socket }, null),
      poolRef: lab.poolName,
      networkRef: lab.networkName,
      dispose: async () => lab.stop(),
    };
  });
} else {
  describe.skip(`KVM by a real libvirtd (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
}
