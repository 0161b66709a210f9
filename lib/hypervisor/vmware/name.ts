/** Names as people write them. vSphere escapes three characters of the names of its objects. Source: ManagedEntity.name. */

export function shownName(name: string): string {
  return name.replaceAll(/%2f/gi, "/").replaceAll(/%5c/gi, "\\").replaceAll(/%25/g, "%");
}

export function escapedName(name: string): string {
  return name.replaceAll("%", "%25").replaceAll("/", "%2f").replaceAll("\\", "%5c");
}
