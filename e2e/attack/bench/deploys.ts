/** Requests as people make them, on the simulated hosts. */
import { randomUUID } from "node:crypto";
import type { Answer } from "./ask.ts";
import type { Bench, Person } from "./bench.ts";

export interface Made {
  readonly id: string;
  readonly status: string;
  readonly planHash: string;
  readonly targets: readonly { readonly id: string; readonly status: string; readonly jobId: string | null }[];
}

export interface Choice {
  readonly hostId: string;
  readonly name: string;
  readonly start: boolean;
}

/** What the console itself proposes for the bench's image on a host, under this name. */
export async function choiceFor(bench: Bench, hostId: string, name: string, versionId?: string): Promise<Choice> {
  const choice = await bench.ok<Choice>("POST", "/preflight/defaults", {
    as: bench.admin,
    body: { imageVersionId: versionId ?? bench.image.versionId, hostId },
  });
  return { ...choice, name, start: false };
}

export function askForVm(
  bench: Bench,
  as: Person,
  targets: readonly Choice[],
  key: string = randomUUID(),
  note = "",
): Promise<Answer> {
  return bench.api("POST", "/requests", {
    as,
    body: { imageVersionId: bench.image.versionId, targets, note, idempotencyKey: key },
  });
}

/** A pending request of this person for one VM of a fresh name. Throws when it is refused. */
export async function pendingRequest(
  bench: Bench,
  as: Person,
  hostId = bench.hosts[0]!.id,
  name = `vm-${randomUUID().slice(0, 8)}`,
): Promise<Made> {
  const answer = await askForVm(bench, as, [await choiceFor(bench, hostId, name)]);
  if (answer.status !== 201 && answer.status !== 200) throw new Error(`request: ${answer.status} ${answer.text}`);
  return answer.json as Made;
}

export function decide(bench: Bench, as: Person, request: Made, outcome: "approve" | "deny"): Promise<Answer> {
  return bench.api("POST", `/requests/${request.id}/${outcome}`, {
    as,
    body: { planHash: request.planHash, reason: "because" },
  });
}

export const readRequest = (bench: Bench, id: string): Promise<Made> =>
  bench.ok<Made>("GET", `/requests/${id}`, { as: bench.admin });
