import type { AuditSubject } from "#lib/domain/audit-actions.ts";

export const SUBJECT_LABEL = {
  audit: "Audit trail",
  host: "Host",
  image: "Image",
  job: "Job",
  library: "Image library",
  request: "Request",
  settings: "Settings",
  token: "API token",
  transfer: "Transfer",
  upload: "Upload",
  user: "User",
  vm: "VM",
} as const satisfies Record<AuditSubject, string>;

const isSubject = (kind: string): kind is AuditSubject => Object.hasOwn(SUBJECT_LABEL, kind);

/** "Host demo-kvm", "Request 3"; the kind is not said twice. */
export function subjectWords({ kind, name }: { kind: string; name: string }): string {
  const label = isSubject(kind) ? SUBJECT_LABEL[kind] : kind;
  if (name === "") return label;
  const rest = name.toLowerCase().startsWith(`${label.toLowerCase()} `) ? name.slice(label.length + 1) : name;
  return rest.toLowerCase() === label.toLowerCase() ? label : `${label} ${rest}`;
}

/** A link to the thing an entry is about, where it has a page. */
export function subjectPath(subject: { kind: string; id: string | null }): string | null {
  if (!subject.id) return null;
  const id = encodeURIComponent(subject.id);
  switch (subject.kind) {
    case "host":
      return `/hosts/${id}`;
    case "image":
      return `/images/${id}`;
    case "request":
      return `/requests/${id}`;
    case "job":
      return `/jobs/${id}`;
    case "vm": {
      // A VM is named by its host and its own identifier on it.
      const slash = subject.id.indexOf("/");
      return slash > 0
        ? `/vms/${encodeURIComponent(subject.id.slice(0, slash))}/${encodeURIComponent(subject.id.slice(slash + 1))}`
        : null;
    }
    default:
      return null;
  }
}
