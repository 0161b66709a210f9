/** A conversion that can be killed: SOURCE TARGET MIB-A-SECOND. Tells its parent when it begins. For tests. */
import { openInspection } from "../file-conversion.ts";
import { slowReads } from "../filters/rate-limit.ts";
import { convertResumable } from "../resume/convert-resumable.ts";

const [source = "", target = "", rate = "1"] = process.argv.slice(2);
await using opened = await openInspection(source, { from: "raw" });
let told = false;
await convertResumable({
  disk: slowReads(opened.disk, Number(rate) * 1024 * 1024),
  identity: "test",
  to: "qcow2",
  target,
  checkpointBytes: 1024 * 1024,
  onProgress: () => {
    if (!told) process.send?.("writing");
    told = true;
  },
});
process.disconnect();
