/** The simulated host until it is interrupted, for looking at it by hand: node e2e/lab/hyperv/serve.ts */
import { HypervSimulator } from "./simulator.ts";

const simulator = await HypervSimulator.start();
process.stdout.write(
  `http  127.0.0.1:${simulator.httpPort}\nhttps 127.0.0.1:${simulator.httpsPort} ${simulator.fingerprint}\n` +
    `user  ${simulator.user} / ${simulator.password}\ndrives ${simulator.folder}\n`,
);
process.once("SIGINT", () => void simulator[Symbol.asyncDispose]());
process.once("SIGTERM", () => void simulator[Symbol.asyncDispose]());
