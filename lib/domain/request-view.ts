/** A request as the page sees it. */
import { plainText } from "./plain-name.ts";
import { z } from "zod";
import { Vendor } from "./hardware.ts";
import { ErrorView } from "./host.ts";
import { JobLogLine } from "./job.ts";
import { Finding } from "./finding.ts";
import {
  Estimate,
  PlanSource,
  Progress,
  Receipt,
  RequestStatus,
  Stage,
  NewTargetChoice,
  TargetChoice,
  TargetStatus,
} from "./request.ts";

const Person = z.object({ id: z.uuid().nullable(), name: z.string() });

export const RequestTarget = z.object({
  id: z.uuid(),
  position: z.number().int(),
  hostId: z.uuid(),
  hostName: z.string(),
  vendor: Vendor,
  simulated: z.boolean(),
  choice: TargetChoice,
  findings: z.array(Finding),
  estimate: Estimate,
  status: TargetStatus,
  jobId: z.uuid().nullable(),
  stages: z.array(Stage),
  progress: Progress.nullable(),
  error: ErrorView.nullable(),
  receipt: Receipt.nullable(),
  vmRef: z.string().nullable(),
});
export type RequestTarget = z.infer<typeof RequestTarget>;

/** Whether the person who asks may do it to the request now; else why not. */
const Verdict = z.object({ allowed: z.boolean(), code: z.string().nullable(), reason: z.string().nullable() });

export const ProvisionRequest = z.object({
  id: z.uuid(),
  number: z.number().int(),
  status: RequestStatus,
  imageId: z.uuid(),
  imageName: z.string(),
  imageVersionId: z.uuid(),
  imageVersion: z.number().int(),
  /** The disks are a VM's, read while the job runs; null: they are in the library. */
  source: PlanSource.nullable(),
  requester: Person,
  note: z.string(),
  planHash: z.string(),
  decision: z
    .object({
      outcome: z.enum(["approved", "denied", "waived", "cancelled"]),
      by: Person,
      reason: z.string(),
      at: z.string(),
    })
    .nullable(),
  /** For the person who asks. */
  youMay: z.object({ approve: Verdict, deny: Verdict, retry: Verdict }),
  targets: z.array(RequestTarget),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
});
export type ProvisionRequest = z.infer<typeof ProvisionRequest>;

export const RequestDetail = ProvisionRequest.extend({ logs: z.record(z.string(), z.array(JobLogLine)) });
export type RequestDetail = z.infer<typeof RequestDetail>;

export const NewRequest = z.object({
  imageVersionId: z.uuid(),
  targets: z.array(NewTargetChoice).min(1).max(50),
  note: plainText(2000).default(""),
  /** Made by the page once per filled form: the same key twice is the same request, not a second one. */
  idempotencyKey: z.uuid(),
});
export type NewRequest = z.infer<typeof NewRequest>;

/** `planHash` binds the decision to what the person saw. */
export const Decision = z.object({ planHash: z.string().length(64), reason: z.string().trim().max(2000).default("") });
export const Denial = Decision.extend({ reason: z.string().trim().min(1, "Say why").max(2000) });

export const PreflightAsk = z.object({ imageVersionId: z.uuid(), targets: z.array(NewTargetChoice).min(1).max(50) });
export const PreflightAnswer = z.object({
  targets: z.array(z.object({ findings: z.array(Finding), estimate: Estimate })),
});
export type PreflightAnswer = z.infer<typeof PreflightAnswer>;
/** Sensible first choices for this image on this host. */
export const DefaultsAsk = z.object({ imageVersionId: z.uuid(), hostId: z.uuid() });
