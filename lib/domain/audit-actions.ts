/**
 * Every act that the audit trail knows, with the words that people read. A new act is entered here first: the trail
 * takes no other. An act that was refused or failed has the name of the one that was done; its result says the rest.
 */
export const AUDIT_SUBJECTS = [
  "audit",
  "host",
  "image",
  "job",
  "library",
  "request",
  "settings",
  "token",
  "transfer",
  "upload",
  "user",
  "vm",
] as const;
export type AuditSubject = (typeof AUDIT_SUBJECTS)[number];

interface ActionWords {
  /** Kind of thing that it is done to. */
  readonly subject: AuditSubject;
  /** The act when it was done: "Host added". */
  readonly done: string;
  /** The act when it was refused or failed: "Add a host". */
  readonly tried: string;
}

const act = (subject: AuditSubject, done: string, tried: string): ActionWords => ({ subject, done, tried });

export const AUDIT_ACTIONS = {
  "audit.cut-off-found": act("audit", "Missing audit entries found", "Missing audit entries found"),
  "audit.exported": act("audit", "Audit trail exported", "Export the audit trail"),
  "audit.sealed": act("audit", "Audit trail sealed with a new key", "Seal the audit trail"),
  "audit.verified": act("audit", "Audit trail verified", "Verify the audit trail"),
  "host.added": act("host", "Host added", "Add a host"),
  "host.edited": act("host", "Host edited", "Edit a host"),
  "host.refreshed": act("host", "Host refreshed", "Refresh a host"),
  "host.removed": act("host", "Host removed", "Remove a host"),
  "host.tested": act("host", "Connection to a host tested", "Test the connection to a host"),
  "image.downloaded": act("image", "Image download started", "Download an image"),
  "image.edited": act("image", "Image edited", "Edit an image"),
  "image.linked": act("image", "VM linked as an image", "Link a VM as an image"),
  "image.read-again": act("image", "Image version read again", "Read an image version again"),
  "image.removed": act("image", "Image removed", "Remove an image"),
  "image.repaired": act("image", "Image version repaired", "Repair an image version"),
  "image.version-added": act("image", "Image version added", "Add an image version"),
  "image.version-removed": act("image", "Image version removed", "Remove an image version"),
  "job.cancel-requested": act("job", "Job cancellation requested", "Cancel a job"),
  "ledger.swept": act("host", "Leftover removed from a host", "Remove a leftover from a host"),
  "library.checked": act(
    "library",
    "Image library compared with the database",
    "Compare the image library with the database",
  ),
  "request.approval-waived": act("request", "Approval waived by policy", "Waive the approval of a request"),
  "request.approved": act("request", "Request approved", "Approve a request"),
  "request.cancel-requested": act("request", "Request cancellation requested", "Cancel a running request"),
  "request.cancelled": act("request", "Request cancelled", "Cancel a request"),
  "request.created": act("request", "Request created", "Create a request"),
  "request.denied": act("request", "Request denied", "Deny a request"),
  "request.repaired": act("request", "Request repaired", "Repair a request"),
  "session.ended": act("user", "Signed out", "Sign out"),
  "session.locked": act("user", "Sign-in locked after too many attempts", "Sign in after too many attempts"),
  "session.started": act("user", "Signed in", "Sign in"),
  "settings.changed": act("settings", "Settings changed", "Change settings"),
  "target.cancelled": act("request", "Target of a request cancelled", "Cancel a target of a request"),
  "target.failed": act("request", "Target of a request failed", "Deploy a target of a request"),
  "target.succeeded": act("request", "Target of a request deployed", "Deploy a target of a request"),
  "token.created": act("token", "API token created", "Create an API token"),
  "token.revoked": act("token", "API token revoked", "Revoke an API token"),
  "transfer.delivered": act("transfer", "Transfer delivered", "Deliver a transfer"),
  "transfer.expired": act("transfer", "Transfer expired", "Expire a transfer"),
  "transfer.offered": act("transfer", "Transfer offered", "Offer a transfer"),
  "transfer.taken": act("transfer", "Transfer started", "Start a transfer"),
  "transfer.withdrawn": act("transfer", "Transfer withdrawn", "Withdraw a transfer"),
  "upload.begun": act("upload", "Upload begun", "Begin an upload"),
  "upload.given-up": act("upload", "Upload given up", "Give an upload up"),
  "user.changed": act("user", "User changed", "Change a user"),
  "user.created": act("user", "User created", "Create a user"),
  "vm.paused": act("vm", "VM paused", "Pause a VM"),
  "vm.rebooted": act("vm", "VM restarted by its guest", "Restart a VM by its guest"),
  "vm.reset": act("vm", "VM reset", "Reset a VM"),
  "vm.resumed": act("vm", "VM resumed", "Resume a VM"),
  "vm.shut-down": act("vm", "VM shut down", "Shut a VM down"),
  "vm.started": act("vm", "VM started", "Start a VM"),
  "vm.stopped": act("vm", "VM powered off", "Power a VM off"),
} as const satisfies Record<string, ActionWords>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

const isAuditAction = (action: string): action is AuditAction => Object.hasOwn(AUDIT_ACTIONS, action);

/** For people. A name that an older version wrote is read as it stands: `vm.power` → "Vm power". */
export function actionWords(action: string, result: "ok" | "refused" | "failed"): string {
  if (isAuditAction(action)) return AUDIT_ACTIONS[action][result === "ok" ? "done" : "tried"];
  const words = action.replaceAll(".", " ").replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
