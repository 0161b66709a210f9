/** A terminal sends Ctrl-C to the launcher and to this process, and the launcher hands it on: both are one wish. */
const SAME_WISH_MS = 500;
const LOOK_MS = 500;

/** Ctrl-C, SIGTERM and SIGHUP: the first asks to stop and clean up, a second one later leaves at once. */
export function onInterrupt(stop: () => void): void {
  let first: number | null = null;
  const onSignal = () => {
    if (first === null) {
      first = Date.now();
      stop();
    } else if (Date.now() - first > SAME_WISH_MS) process.exit(1);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
}

/** Aborts at the first Ctrl-C, SIGTERM or SIGHUP, and when the launcher has gone. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => controller.abort());
  onLauncherGone(() => controller.abort());
  return controller.signal;
}

/**
 * The launcher has gone, however it ended: the channel to it closes. Without one, npm started this process, and it dies of
 * a signal without handing it on. Calls `gone` once at most, and keeps no process alive.
 */
export function onLauncherGone(gone: () => void): void {
  if (process.channel !== undefined && process.channel !== null) {
    process.once("disconnect", gone);
    process.channel.unref();
    // It may have closed while this process was starting.
    if (!process.connected) gone();
    return;
  }
  if (process.env["npm_command"] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  timer.unref();
}
