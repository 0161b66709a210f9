/** Which power action makes sense in which state. The host decides in the end; this spares a button that would refuse. */
import type { z } from "zod";
import type { PowerAction, PowerState } from "#lib/domain/hardware.ts";

type State = z.infer<typeof PowerState>;
type Action = z.infer<typeof PowerAction>;

const FROM: Record<Action, readonly State[]> = {
  start: ["stopped", "crashed", "suspended"],
  shutdown: ["running"],
  stop: ["running", "paused", "crashed", "suspended"],
  reboot: ["running"],
  reset: ["running", "paused"],
  pause: ["running"],
  resume: ["paused", "suspended"],
};

const WORD: Record<State, string> = {
  running: "running",
  stopped: "stopped",
  paused: "paused",
  suspended: "suspended",
  crashed: "crashed",
  unknown: "in a state that the host does not tell",
};

/** Null when it can be done; else why not. A VM in an unknown state may be tried. */
export function whyNotPower(state: State, action: Action): string | null {
  if (state === "unknown" || FROM[action].includes(state)) return null;
  return `The virtual machine is ${WORD[state]}.`;
}

export type { Action as PowerActionName };
