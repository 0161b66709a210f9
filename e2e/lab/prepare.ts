/** `node e2e/lab/prepare.ts`: builds the lab's big peers now, so that no test waits for them. */
import { whyNoVirtualBox } from "./virtualbox/built.ts";

const reason = whyNoVirtualBox();
process.stdout.write(reason === null ? "VirtualBox is ready.\n" : `No VirtualBox: ${reason}\n`);
