/** Turns machines on and off. */
import { setTimeout as delay } from "node:timers/promises";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { abortable } from "#lib/wire/abortable.ts";
import { number, text, texts } from "#lib/wire/wsman/cim.ts";
import { followJob } from "./job.ts";
import { type HypervSession, systemRef, V2 } from "./session.ts";

const LOOK_MS = 300;
/** EnabledState. */
const OFF = 3;
const SAVED = 6;
/** OperationalStatus of a component of the guest that answers: OK, or Degraded, which a guest of another version is. */
const ANSWERS = ["2", "3"];

/** RequestedState. */
const STATE: Partial<Record<PowerAction, number>> = { start: 2, stop: 3, reboot: 10, reset: 11, pause: 9, resume: 2 };
const DOING: Record<PowerAction, string> = {
  start: "Starting",
  shutdown: "Shutting down",
  stop: "Turning off",
  reboot: "Restarting",
  reset: "Resetting",
  pause: "Pausing",
  resume: "Resuming",
};

/** Throws `host.refused`. */
export async function changePower(
  session: HypervSession,
  vm: Vm,
  action: PowerAction,
  signal?: AbortSignal,
): Promise<void> {
  const allowed = canPower(vm, action);
  if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
  const doing = `${DOING[action]} ${vm.name}`;
  const state = STATE[action];
  if (state === undefined) return shutDown(session, vm, doing, signal);
  const output = await session.start(systemRef(vm.ref), "RequestStateChange", { RequestedState: state }, doing, signal);
  // A machine that takes long to start is not to be stopped by that.
  await followJob(session, output, doing, signal, true);
}

/** Only a guest that has the integration services can be asked. */
async function shutDown(session: HypervSession, vm: Vm, doing: string, signal?: AbortSignal): Promise<void> {
  const [component] = await session.query(
    V2,
    `SELECT * FROM Msvm_ShutdownComponent WHERE SystemName = '${vm.ref}'`,
    doing,
    signal,
  );
  if (component === undefined || !ANSWERS.includes(texts(component, "OperationalStatus")[0] ?? "")) {
    throw new AppError(
      "unprocessable",
      "host.refused",
      `${vm.name} does not listen: its integration services do not run.`,
      { hint: "Wait until the guest is up, shut it down from within, or turn it off." },
    );
  }
  await session.invoke(
    {
      namespace: V2,
      className: "Msvm_ShutdownComponent",
      keys: {
        CreationClassName: "Msvm_ShutdownComponent",
        DeviceID: text(component, "DeviceID") ?? "",
        SystemCreationClassName: "Msvm_ComputerSystem",
        SystemName: vm.ref,
      },
    },
    "InitiateShutdown",
    { Force: true, Reason: "Supravisor" },
    doing,
    signal,
  );
}

/** Waits until the machine is off or saved. Throws `host.timeout`. */
export async function untilOff(session: HypervSession, vm: Vm, signal?: AbortSignal): Promise<void> {
  const until = Date.now() + session.stuckAfter;
  for (;;) {
    const [machine] = await session.query(
      V2,
      `SELECT * FROM Msvm_ComputerSystem WHERE Name = '${vm.ref}'`,
      `Waiting for ${vm.name}`,
      signal,
    );
    const state = number(machine, "EnabledState");
    if (machine === undefined || state === OFF || state === SAVED) return;
    if (Date.now() > until) throw new AppError("unavailable", "host.timeout", `${vm.name} does not stop.`);
    await abortable(delay(LOOK_MS), signal);
  }
}
