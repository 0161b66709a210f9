/** One host of each vendor side by side: libvirtd, vCenter, a XenServer pool, VirtualBox, Hyper-V. */
import { execFileSync } from "node:child_process";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { HypervSimulator, whyNoHyperv } from "./hyperv/simulator.ts";
import { startLibvirtd, whyNoLibvirtd } from "./libvirt/libvirtd.ts";
import { whyNoVirtualBox } from "./virtualbox/built.ts";
import { localTarget } from "./virtualbox/host.ts";
import { virtualBoxLab } from "./virtualbox/virtualbox.ts";
import { startVsphere } from "./vmware/lab.ts";
import { whyNoVcsim } from "./vmware/vcsim.ts";
import { whyNoXapi, XapiSimulator } from "./xapi/simulator.ts";

export interface EstateHost {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly poolRef: string;
  readonly networkRef: string | null;
  /** A disk's file on this machine, and the driver by which qemu-img reads it. */
  file(resource: ResourceRef): Promise<{ readonly path: string; readonly driver: string }>;
  stop(): Promise<void>;
}

/** Why there can be no host of this vendor here, or null. */
export const WHY_NOT: Readonly<Record<Vendor, () => string | null>> = {
  kvm: whyNoLibvirtd,
  vmware: whyNoVcsim,
  xen: whyNoXapi,
  virtualbox: whyNoVirtualBox,
  hyperv: whyNoHyperv,
};

export const START: Readonly<Record<Vendor, () => Promise<EstateHost>>> = {
  async kvm() {
    const lab = startLibvirtd();
    return {
      target: { driver: "kvm", connection: { transport: "unix", socket: lab.socket } },
      secret: null,
      poolRef: lab.poolName,
      networkRef: lab.networkName,
      file: async ({ ref }) => ({ path: `${lab.poolDir}/${ref.slice(ref.lastIndexOf("/") + 1)}`, driver: "qcow2" }),
      stop: async () => lab.stop(),
    };
  },
  async vmware() {
    const lab = await startVsphere({ kind: "vpx", vms: 1 });
    const target: HostConnection = { driver: "vmware", connection: lab.connection };
    let poolRef = "";
    let networkRef: string | null = null;
    await using adapter = await openHost(target, lab.secret);
    for await (const item of adapter.inventory()) {
      if (item.kind === "pool" && item.writable) poolRef = item.ref;
      if (item.kind === "network") networkRef ??= item.ref;
    }
    return {
      target,
      secret: lab.secret,
      poolRef,
      networkRef,
      // The disk's name on its datastore is what the last read of the VM says.
      file: async ({ ref }) => ({ path: await lab.proxy.path(ref.replace(/\.vmdk$/, "-flat.vmdk")), driver: "raw" }),
      stop: async () => lab[Symbol.asyncDispose](),
    };
  },
  async xen() {
    const lab = await XapiSimulator.start();
    const uuid = (name: string, ref: string) => String(lab.db.get(name, ref)["uuid"]);
    const [first] = lab.members;
    if (first === undefined) throw new Error("a pool without members");
    return {
      target: {
        driver: "xapi",
        connection: {
          transport: "https",
          host: first.address,
          port: lab.port,
          user: lab.user,
          certificate: first.fingerprint,
          caCertificate: null,
        },
      },
      secret: { password: lab.password },
      poolRef: uuid("SR", lab.seeded.shared),
      networkRef: uuid("network", lab.seeded.network),
      async file({ ref }) {
        const [vdi] = lab.db.refs("VDI", (record) => ref.endsWith(String(record["name_label"])));
        if (vdi === undefined) throw new Error(`no VDI ${ref}`);
        return { path: lab.storage.path(vdi), driver: "raw" };
      },
      stop: async () => lab.stop(),
    };
  },
  async virtualbox() {
    const lab = virtualBoxLab();
    return {
      target: localTarget(lab),
      secret: null,
      poolRef: lab.machineFolder,
      networkRef: "nat",
      file: async ({ ref }) => ({ path: ref, driver: "vdi" }),
      stop: async () => lab.stop(),
    };
  },
  async hyperv() {
    const lab = await HypervSimulator.start();
    return {
      target: {
        driver: "hyperv",
        connection: {
          transport: "http",
          host: "127.0.0.1",
          port: lab.httpPort,
          auth: "ntlm",
          user: lab.user,
          callback: null,
          files: { by: "winrm" },
        },
      },
      secret: { password: lab.password },
      poolRef: "D:",
      networkRef: lab.seeded.switches.external,
      file: async ({ ref }) => ({ path: lab.jail.local(ref) ?? "", driver: "vhdx" }),
      stop: async () => lab[Symbol.asyncDispose](),
    };
  },
};

/** Throws with qemu-img's words unless the file holds the disk. */
export function compareByQemu(raw: string, file: { readonly path: string; readonly driver: string }): void {
  execFileSync("qemu-img", ["compare", "-U", "-f", "raw", "-F", file.driver, raw, file.path], { stdio: "pipe" });
}
