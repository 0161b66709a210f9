/** What each adapter was held against in the tests of this release, so that nobody takes a simulator's word for the product's. */
import type { DriverId } from "./connection.ts";

export interface Verified {
  /** `product`: the real one ran. `simulator`: something that stands for it, which clients written by others accept. */
  readonly by: "product" | "simulator";
  /** What ran. */
  readonly against: string;
  /** What no test has seen. */
  readonly unseen: string | null;
}

export const VERIFIED: Readonly<Record<Exclude<DriverId, "demo">, Verified>> = {
  kvm: {
    by: "product",
    against: "libvirtd 9.0 with QEMU 7.2, over its socket, SSH and TLS; deployed guests boot",
    unseen: null,
  },
  vmware: {
    by: "simulator",
    against: "VMware's vcsim as vCenter and as ESXi, with disks that govc and pyvmomi read and write",
    unseen: "a real vCenter or ESXi, vSAN and vVol datastores",
  },
  xapi: {
    by: "simulator",
    against: "a pool with real disks behind the XenAPI, which xen-api, XenAPI.py and fence_xenapi work with",
    unseen: "a real XenServer or XCP-ng pool",
  },
  xen: {
    by: "product",
    against: "Xen 4.17 with libvirt 9.0; a deployed guest starts",
    unseen: "UEFI and PVH guests that run",
  },
  virtualbox: {
    by: "product",
    against: "VirtualBox 7.2 on Linux, on the same machine and over SSH",
    unseen: "VMs that run, VirtualBox on macOS and Windows, releases before 7.2",
  },
  hyperv: {
    by: "simulator",
    against: "a host with real disks behind WS-Man, which python3-winrm, winrmcp and wsl work with",
    unseen: "a real Hyper-V host",
  },
};
