import { recordRepeatable } from "#lib/audit/repeats.ts";
import { AUDIT_ACTIONS, type AuditAction, type AuditSubject } from "#lib/domain/audit-actions.ts";
import { may, ROLE_LABEL, type Action } from "#lib/domain/role.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "./context.ts";

/** What was tried, where the right alone does not say it. */
export interface Attempt {
  readonly action?: AuditAction;
  readonly subject?: { readonly kind: AuditSubject; readonly id: string | null; readonly name: string };
}

/** What a refusal is called in the trail: as the act would be that was done. Null: looking leaves no entry. */
const REFUSED_AS: Record<Action, AuditAction | null> = {
  "host.read": null,
  "host.add": "host.added",
  "host.edit": "host.edited",
  "host.remove": "host.removed",
  "host.test": "host.tested",
  "host.refresh": "host.refreshed",
  "vm.read": null,
  "vm.power": "vm.started",
  "vm.capture": "image.version-added",
  "image.read": null,
  "image.download": "image.downloaded",
  "image.add": "image.version-added",
  "image.edit": "image.edited",
  "image.remove": "image.removed",
  "library.check": "library.checked",
  "request.read": null,
  "request.create": "request.created",
  "request.decide": "request.approved",
  "request.cancel": "request.cancelled",
  "job.read": null,
  "job.cancel": "job.cancel-requested",
  "audit.read": null,
  "user.read": null,
  "user.manage": "user.changed",
  "token.manage-own": "token.created",
  "settings.read": null,
  "settings.edit": "settings.changed",
};

function allowed(ctx: Ctx, action: Action): boolean {
  return ctx.actor.via === "system" || may(ctx.actor.role, action);
}

function forbidden(ctx: Ctx, action: Action): AppError {
  return new AppError(
    "forbidden",
    "auth.forbidden",
    `The role ${ROLE_LABEL[ctx.actor.role]} may not do this (${action}).`,
    {
      hint: "Ask an administrator for another role, or somebody who has it.",
    },
  );
}

/** First line of every service that changes something. Throws `auth.forbidden`, and the refusal is in the audit trail. */
export async function authorise(ctx: Ctx, action: Action, attempt: Attempt = {}): Promise<void> {
  if (allowed(ctx, action)) return;
  const name = attempt.action ?? REFUSED_AS[action];
  if (name !== null) {
    await recordRepeatable(ctx, ctx.actor, {
      action: name,
      result: "refused",
      subject: attempt.subject ?? { kind: AUDIT_ACTIONS[name].subject, id: null, name: "" },
    });
  }
  throw forbidden(ctx, action);
}

/** For a service that only looks, whatever right it takes: a refused look is no attempt to do anything. */
export async function authoriseLook(ctx: Ctx, action: Action): Promise<void> {
  if (!allowed(ctx, action)) throw forbidden(ctx, action);
}
