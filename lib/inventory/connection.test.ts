/** Who uses a host keeps it, whatever becomes of its session meanwhile. */
import { describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { HostConnection } from "./connection.ts";

/** One whose only deed is to be let go. */
function adapter(
  letGo: () => Promise<void> = async () => undefined,
): HypervisorAdapter & { readonly open: () => boolean } {
  let open = true;
  const one = {
    open: () => open,
    async [Symbol.asyncDispose]() {
      open = false;
      await letGo();
    },
  };
  return one as unknown as ReturnType<typeof adapter>;
}

const connection = () => new HostConnection(() => undefined);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );
const lost = new AppError("unavailable", "host.unreachable", "The line is cut.");

describe("HostConnection", () => {
  it.each(["accept", "lose"] as const)(
    "keeps an adapter open for its users after %s, and lets it go with the last",
    async (how) => {
      const host = connection();
      const first = adapter();
      host.accept(first);
      const hold = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const uses = hold.map(({ promise }) =>
        host.use(async (one) => {
          await promise;
          return (one as typeof first).open();
        }),
      );
      await Promise.resolve();
      if (how === "accept") host.accept(adapter());
      else host.lose(lost);
      expect(first.open()).toBe(true);
      hold[0]?.resolve();
      expect(await uses[0]).toBe(true);
      expect(first.open()).toBe(true);
      hold[1]?.resolve();
      expect(await uses[1]).toBe(true);
      await expect.poll(() => first.open()).toBe(false);
    },
  );

  it("gives new callers the successor at once", async () => {
    const host = connection();
    const [first, second] = [adapter(), adapter()];
    host.accept(first);
    const hold = Promise.withResolvers<void>();
    const old = host.use(() => hold.promise);
    await Promise.resolve();
    host.accept(second);
    expect(await host.use(async (one) => one === second)).toBe(true);
    hold.resolve();
    await old;
  });

  it("says why there is none, at once or after the caller's patience, and goes on for who has it", async () => {
    const host = connection();
    host.lose(lost);
    expect(await codeOf(host.use(async () => undefined))).toBe("host.offline");
    await expect(host.use(async () => undefined)).rejects.toThrow("The line is cut.");
    expect(await codeOf(host.use(async () => undefined, undefined, 50))).toBe("host.offline");
    const patient = host.use(async () => "got it", undefined, 30_000);
    host.accept(adapter());
    expect(await patient).toBe("got it");
  });

  it("waits for the first one, and not beyond the caller's signal", async () => {
    const host = connection();
    const stop = new AbortController();
    const waiting = host.use(async () => undefined, stop.signal);
    stop.abort(new AppError("cancelled", "job.cancelled", "Somebody cancelled it."));
    expect(await codeOf(waiting)).toBe("job.cancelled");
    const first = host.use(async () => "got it");
    host.accept(adapter());
    expect(await first).toBe("got it");
  });

  it("closes though an adapter never lets go, and its callers end", async () => {
    const host = connection();
    const stuck = adapter(() => new Promise(() => undefined));
    host.accept(stuck);
    await host.close();
    expect(stuck.open()).toBe(false);
    expect(await codeOf(host.use(async () => undefined, undefined, 60_000))).toBe("host.offline");
  });
});
