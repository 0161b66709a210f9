/** What a simulated host does wrong, as data in its folder: heard by every session and thread at its next call. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const Faults = z.object({
  /** Nobody answers: every call fails at once, as at an unplugged host. */
  away: z.boolean().default(false),
  /** The line is half open: nothing comes back, and calls end with their signal. */
  silent: z.boolean().default(false),
  /** Each transfer uses up one: so many bytes are taken, then its line is cut. */
  cuts: z.array(z.number()).default([]),
  /** Of an inventory, between the first VM and the others; ms. */
  inventoryMs: z.number().default(0),
  /** Between the order to define a VM and the host's doing so; ms. */
  defineMs: z.number().default(0),
  refusesStart: z.boolean().default(false),
});
export type DemoFaults = z.infer<typeof Faults>;

const NONE = Faults.parse({});
const fileIn = (folder: string): string => join(folder, "faults.json");

export async function readFaults(folder: string): Promise<DemoFaults> {
  const text = await readFile(fileIn(folder), "utf8").catch(() => null);
  return text === null ? NONE : Faults.parse(JSON.parse(text));
}

export async function setFaults(folder: string, faults: Partial<DemoFaults>): Promise<void> {
  // A reader sees the old ones or the new ones.
  const next = `${fileIn(folder)}.${crypto.randomUUID()}`;
  await writeFile(next, JSON.stringify(faults));
  await rename(next, fileIn(folder));
}
