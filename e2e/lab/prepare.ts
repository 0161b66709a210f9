/** `node e2e/lab/prepare.ts`: builds the lab's big peers now, so that no test waits for them. */
import { whyNoVirtualBox } from "./virtualbox/built.ts";
import { whyNoVcsim } from "./vmware/vcsim.ts";
import { whyNoXenHost } from "./xen/built.ts";

for (const [name, why] of [
  ["VirtualBox", whyNoVirtualBox],
  ["vcsim", whyNoVcsim],
  ["Xen host", whyNoXenHost],
] as const) {
  const reason = why();
  process.stdout.write(reason === null ? `${name} is ready.\n` : `No ${name}: ${reason}\n`);
}
