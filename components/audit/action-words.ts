/** `request.approved` → "Request approved". */
export function actionWords(action: string): string {
  const words = action.replaceAll(".", " ").replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
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
