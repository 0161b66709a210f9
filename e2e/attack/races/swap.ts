/**
 * Swaps a folder and a link as fast as it can until it is ended: `node swap.ts INSIDE OUTSIDE PLACE`. PLACE leads to
 * INSIDE and to OUTSIDE in turn, always by one rename, so that there is no moment without it.
 */
import { renameSync, symlinkSync } from "node:fs";

const [inside = "", outside = "", place = ""] = process.argv.slice(2);
for (let n = 0; ; n += 1) {
  const next = `${place}.next`;
  symlinkSync(n % 2 === 0 ? inside : outside, next);
  renameSync(next, place);
}
