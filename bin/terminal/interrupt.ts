/** A terminal sends Ctrl-C to the launcher and to this process, and the launcher hands it on: both are one wish. */
const SAME_WISH_MS = 500;

/** Ctrl-C and SIGTERM: the first asks to stop and clean up, a second one later leaves at once. */
export function onInterrupt(stop: () => void): void {
  let first: number | null = null;
  const onSignal = () => {
    if (first === null) {
      first = Date.now();
      stop();
    } else if (Date.now() - first > SAME_WISH_MS) process.exit(1);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

/** Aborts at the first Ctrl-C or SIGTERM. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => controller.abort());
  return controller.signal;
}
