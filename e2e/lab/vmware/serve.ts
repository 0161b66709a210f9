/** A vSphere endpoint for trying things out and for benches: `node e2e/lab/vmware/serve.ts [esx|vpx] [drop]` prints how to reach it. `drop`: uploads go nowhere. */
import { startProxy } from "./proxy.ts";
import { startVcsim, whyNoVcsim } from "./vcsim.ts";

const reason = whyNoVcsim();
if (reason !== null) throw new Error(reason);
const vcsim = await startVcsim({ kind: process.argv[2] === "esx" ? "esx" : "vpx" });
const proxy = await startProxy(vcsim);
proxy.dropUploads(process.argv[3] === "drop");
const { port, user, password } = proxy;
process.stdout.write(`${JSON.stringify({ port, user, password, certificate: proxy.certificate().sha256 })}\n`);
const stop = (): void => {
  void proxy[Symbol.asyncDispose]()
    .then(() => vcsim.stop())
    .then(() => process.exit(0));
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
