/** Packages of whole machines: several disks with a description of the hardware around them. */
import { z } from "zod";

export const CONTAINER_KINDS = ["ova", "ovf", "xva"] as const;
export const ContainerKind = z.enum(CONTAINER_KINDS);
export type ContainerKind = z.infer<typeof ContainerKind>;

export const CONTAINER_LABEL = {
  ova: "OVA",
  ovf: "OVF",
  xva: "XVA",
} satisfies Record<ContainerKind, string>;

/** What else holds disks with the machine around them; it is read and never made here. */
const HOLDER_ONLY_LABEL = {
  vmx: "VMware machine",
  vbox: "VirtualBox machine",
  hyperv: "Hyper-V export",
  vagrant: "Vagrant box",
  archive: "archive",
  folder: "folder",
} as const;

export type HolderKind = ContainerKind | keyof typeof HOLDER_ONLY_LABEL;

export const HOLDER_LABEL: Readonly<Record<HolderKind, string>> = { ...CONTAINER_LABEL, ...HOLDER_ONLY_LABEL };
