/** `metadata.json` of a Vagrant box for libvirt: one disk `box.img`, or a list of disks. */
import { z } from "zod";
import { type DescribedMachine, NO_HINTS } from "../machine/described.ts";

const Metadata = z.object({
  provider: z.string().max(100),
  virtual_size: z.number().optional(),
  disks: z
    .array(z.object({ path: z.string().min(1).max(255), name: z.string().max(100).optional() }))
    .max(256)
    .optional(),
});

/** Null: the box is of another provider, or the text is no metadata of one. `names`: the files beside it. */
export function readBox(text: string, names: readonly string[]): DescribedMachine | null {
  let said: unknown;
  try {
    said = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return null;
  }
  const metadata = Metadata.safeParse(said);
  if (!metadata.success || metadata.data.provider !== "libvirt") return null;
  const { disks } = metadata.data;
  const listed = disks?.map(({ path, name = "" }) => ({ path, place: name }));
  // Boxes of the first format say nothing of their disk.
  const single = names.filter((name) => /(?:^|\/)box\.img$/.test(name)).map((path) => ({ path, place: "" }));
  return {
    name: null,
    hints: NO_HINTS,
    details: { provider: "libvirt" },
    notes: ["A box tells nothing of processors, memory and firmware: those of its Vagrantfile were not read."],
    disks: listed === undefined || listed.length === 0 ? single : listed,
  };
}
