/** The simulator by hand: `node e2e/lab/xapi/serve.ts` prints how to reach it and runs until it is interrupted. */
import { XapiSimulator } from "./simulator.ts";

const simulator = await XapiSimulator.start();
for (const [index, member] of simulator.members.entries())
  process.stdout.write(
    `${index === 0 ? "master" : "slave "} https://${member.address}:${simulator.port} certificate ${member.fingerprint}\n`,
  );
process.stdout.write(`user ${simulator.user}, password ${simulator.password}\n`);
process.on("SIGINT", () => {
  simulator.stop();
  process.exit(0);
});
