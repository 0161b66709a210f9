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
