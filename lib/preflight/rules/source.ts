/** The VM whose disks are read while the job runs. */
import { canCaptureAll } from "#lib/domain/vm-rules.ts";
import type { Firmware } from "#lib/domain/hardware.ts";
import type { Finding } from "#lib/domain/finding.ts";
import type { KnownContext, PreflightRule, PreflightSource } from "../context.ts";

const LIVE = "live host of the source";
const WORD: Record<Firmware, string> = { bios: "BIOS", uefi: "UEFI" };

const about = (severity: Finding["severity"], message: string): Omit<Finding, "rule"> => ({
  severity,
  field: "image",
  message,
  source: LIVE,
  remedy: null,
});

/** Speaks only where there is such a VM. */
const ofSource = (
  id: string,
  words: string,
  check: (source: PreflightSource, ctx: KnownContext) => Omit<Finding, "rule">[],
): PreflightRule => ({
  id,
  about: words,
  check: (ctx) => (ctx.image.source === null ? [] : check(ctx.image.source, ctx)),
});

/** Nothing else that is known of the VM counts once it cannot be looked at. */
const seen = (source: PreflightSource) => (source.online && source.staleSince === null ? source.vm : null);

/** Why the disks cannot be read; `running`: as if a running VM did not matter. */
function refusals(source: PreflightSource, running: boolean): string[] {
  const vm = seen(source);
  if (vm === null) return [];
  const allowed = canCaptureAll(vm, source.diskIds, running);
  return allowed === true ? [] : [allowed.reason];
}

export const sourceRules: readonly PreflightRule[] = [
  ofSource("source.host-offline", "The host of the VM that is to be read cannot be reached.", (source) =>
    source.online ? [] : [about("blocker", `${source.hostName}, which has the disks, is not reachable now.`)],
  ),
  ofSource("source.host-stale", "What is known of the host of the VM that is to be read is out of date.", (source) =>
    source.online && source.staleSince !== null
      ? [about("blocker", `What is known of ${source.vmName} on ${source.hostName} is from ${source.staleSince}.`)]
      : [],
  ),
  ofSource("source.vm-gone", "The VM that is to be read is not on its host any more.", (source) =>
    source.online && source.staleSince === null && source.vm === null
      ? [about("blocker", `${source.vmName} is not on ${source.hostName} any more.`)]
      : [],
  ),
  ofSource("source.disk-unreadable", "A disk of the VM is gone, or its host gives it to nobody.", (source) =>
    refusals(source, true).map((reason) => about("blocker", reason)),
  ),
  ofSource("source.vm-running", "The VM runs, and its host keeps no moment of its disks.", (source) =>
    source.captureRunning === true || refusals(source, true).length > 0
      ? []
      : refusals(source, false).map((reason) => about("blocker", reason)),
  ),
  ofSource(
    "source.running",
    "The VM runs while it is read: its disks are as a power cut would leave them.",
    (source) => {
      const vm = seen(source);
      return vm === null || source.captureRunning !== true || vm.state === "stopped" || vm.state === "crashed"
        ? []
        : [
            about(
              "info",
              `${vm.name} is ${vm.state}: a snapshot of it is read and removed again. The copy starts as after a power cut.`,
            ),
          ];
    },
  ),
  ofSource(
    "source.firmware-differs",
    "The VM that is read starts with the other firmware; a guest seldom survives that change.",
    (source, ctx) => {
      const firmware = seen(source)?.firmware ?? null;
      if (firmware === null || firmware === ctx.choice.firmware) return [];
      const offered = ctx.host.capabilities.firmware.find((each) => each.firmware === firmware && each.available);
      return [
        {
          severity: "warning",
          field: "firmware",
          message: `${source.vmName} starts with ${WORD[firmware]}; with ${WORD[ctx.choice.firmware]} its guest may not.`,
          source: LIVE,
          remedy:
            offered === undefined
              ? null
              : {
                  label: `Use ${offered.label}`,
                  set: {
                    firmware,
                    ...(offered.bootBuses.includes(ctx.choice.bus) || offered.bootBuses[0] === undefined
                      ? {}
                      : { bus: offered.bootBuses[0] }),
                  },
                },
        },
      ];
    },
  ),
];
