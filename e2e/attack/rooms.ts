/** The attacks in their order. An attack that answers a function is judged at the end of all. */
import { routesByIdentity } from "./access/routes.ts";
import type { Bench } from "./bench/bench.ts";

export interface Attack {
  readonly room: string;
  readonly name: string;
  /** "long": not in the form that `npm test` runs. */
  readonly form: "both" | "long";
  run(bench: Bench): Promise<(() => Promise<void>) | void>;
}

const attack = (room: string, name: string, run: Attack["run"], form: Attack["form"] = "both"): Attack => ({
  room,
  name,
  form,
  run,
});

export const ROOMS: readonly Attack[] = [attack("access", "routes", routesByIdentity)];
