import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import type { z } from "zod";
import { Host } from "#lib/domain/host.ts";
import { NewTargetChoice, TargetChoice } from "#lib/domain/request.ts";
import { PreflightAnswer, ProvisionRequest, RequestDetail } from "#lib/domain/request-view.ts";
import { AppError, errorFromJson, type ErrorJson } from "#lib/errors.ts";
import { remoteApi, type RemoteApi } from "../remote/api.ts";
import { waitForJob } from "../remote/wait-job.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { pick, type SourceOptions, sourceVersion } from "./deploy-source.ts";
import { printJson, printLine } from "../terminal/output.ts";

interface DeployOptions extends SourceOptions {
  to: string[];
  name?: string;
  cpus?: string;
  memory?: string;
  pool?: string;
  network?: string;
  firmware?: string;
  bus?: string;
  nic?: string;
  format?: string;
  start: boolean;
  note?: string;
  wait?: boolean;
  json?: boolean;
}

async function choiceFor(
  api: RemoteApi,
  versionId: string,
  host: Host,
  options: DeployOptions,
): Promise<z.infer<typeof TargetChoice>> {
  const base = await api.post("/preflight/defaults", TargetChoice, { imageVersionId: versionId, hostId: host.id });
  const memory = options.memory === undefined ? base.memory : parseSize(options.memory);
  const parsed = NewTargetChoice.safeParse({
    ...base,
    name: options.name ?? base.name,
    cpus: options.cpus === undefined ? base.cpus : Number(options.cpus),
    memory,
    poolRef: options.pool ?? base.poolRef,
    firmware: options.firmware ?? base.firmware,
    bus: options.bus ?? base.bus,
    diskFormat: options.format ?? base.diskFormat,
    nic:
      options.network === "none"
        ? null
        : options.network === undefined && options.nic === undefined
          ? base.nic
          : { networkRef: options.network ?? base.nic?.networkRef, model: options.nic ?? base.nic?.model },
    start: options.start,
  });
  if (!parsed.success)
    throw new UsageError(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "));
  return parsed.data;
}

/** Bytes; `512M`, `4G`. */
function parseSize(text: string): number {
  const match = /^(\d+)([MG])?$/.exec(text);
  if (match === null) throw new UsageError(`A size looks like 512M or 4G, not “${text}”.`);
  return Number(match[1]) * ({ M: 1024 ** 2, G: 1024 ** 3 }[match[2] ?? ""] ?? 1);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for the decision, then for every target's job. */
async function follow(api: RemoteApi, requestId: string, signal: AbortSignal): Promise<RequestDetail> {
  let said = false;
  for (;;) {
    const request = await api.get(`/requests/${requestId}`, RequestDetail);
    if (request.status !== "pending") break;
    if (!said) printLine(`Request ${request.number} waits for another person's approval.`, process.stderr);
    said = true;
    if (signal.aborted)
      throw new AppError(
        "cancelled",
        "cli.stopped-waiting",
        `Stopped waiting; request ${request.number} is still pending.`,
      );
    await pause(1000);
  }
  for (;;) {
    const request = await api.get(`/requests/${requestId}`, RequestDetail);
    if (!["approved", "running"].includes(request.status)) return request;
    const open = request.targets.find((target) => ["waiting", "running", "cancelling"].includes(target.status));
    if (open?.jobId) {
      await waitForJob(api, open.jobId, signal).catch((error: unknown) => {
        if (error instanceof AppError && error.code === "cli.stopped-waiting") throw error;
      });
    }
    await pause(250);
  }
}

export function registerDeploy(program: Command): void {
  program
    .command("deploy [image]")
    .description("request VMs from an image (name or id), or from a VM as it is, on one or more hosts")
    .option("--vm <host/vm>", "the VM whose disks are read from its host, by name or id; in place of an image")
    .option("--disk <id...>", "only these disks of the VM")
    .requiredOption("--to <host...>", "target hosts, by name or id")
    .option("--name <name>", "name of the VM")
    .option("--version <number>", "version of the image; the newest ready one otherwise")
    .option("--cpus <count>", "virtual CPUs")
    .option("--memory <size>", "memory, as 512M or 4G")
    .option("--pool <ref>", "storage pool on the host")
    .option("--network <ref>", "network on the host, or none")
    .option("--firmware <bios|uefi>", "firmware")
    .option("--bus <bus>", "disk bus")
    .option("--nic <model>", "network card model")
    .option("--format <format>", "disk format on the host")
    .option("--no-start", "leave the VM stopped")
    .option("--note <text>", "note for the approver")
    .option("--wait", "wait for approval and for the end")
    .option("--json", "print the request as JSON")
    .action(async (imageWord: string | undefined, options: DeployOptions) => {
      const api = await remoteApi();
      const signal = interruptSignal();
      const imageVersionId = await sourceVersion(api, imageWord, options);
      const hosts = await api.list("/hosts", Host);
      const targets = [];
      for (const word of options.to)
        targets.push(await choiceFor(api, imageVersionId, pick(hosts, word, "host"), options));
      const preflight = await api.post("/preflight", PreflightAnswer, { imageVersionId, targets });
      for (const [index, { findings }] of preflight.targets.entries()) {
        for (const finding of findings)
          printLine(
            `${options.to[index] ?? ""}: ${finding.severity}: ${finding.message} [${finding.rule}]`,
            process.stderr,
          );
      }
      const request = await api.post("/requests", ProvisionRequest, {
        imageVersionId,
        targets,
        note: options.note ?? "",
        idempotencyKey: randomUUID(),
      });
      const ended = options.wait ? await follow(api, request.id, signal) : request;
      if (options.json) printJson(ended, process.stdout, 2);
      else {
        printLine(`Request ${ended.number}: ${ended.status}`);
        for (const target of ended.targets) {
          const receipt = target.receipt;
          printLine(
            `  ${target.choice.name} on ${target.hostName}: ${target.status}${receipt?.equal ? `, disk equal to ${receipt.source === undefined ? "the image" : "what was read"} (${receipt.imageFingerprint})` : ""}`,
          );
        }
      }
      if (!options.wait || ended.status === "succeeded") return;
      const broken = ended.targets.find((target) => target.error !== null)?.error;
      if (broken) throw errorFromJson(broken as ErrorJson);
      throw new AppError(
        "unprocessable",
        `request.${ended.status}`,
        `Request ${ended.number} ended as ${ended.status}${ended.decision?.reason ? `: ${ended.decision.reason}` : ""}.`,
      );
    });
}
