/** Where to sign in, and where to come back to afterwards. */
export function signInPath(from: string, { ended = false }: { ended?: boolean } = {}): string {
  const query = new URLSearchParams({
    ...(from === "/" || from === "" ? {} : { next: from }),
    ...(ended ? { ended: "1" } : {}),
  }).toString();
  return query === "" ? "/sign-in" : `/sign-in?${query}`;
}

/** Only a path of this site is followed: an address of another one would make the sign-in page a trap. */
export function safeNext(next: string | null): string {
  if (!next || !next.startsWith("/") || next.startsWith("//") || next.includes("\\")) return "/";
  // Browsers drop control characters inside an address, which would turn "/\t/other" into "//other".
  return /[\u0000-\u001f]/.test(next) ? "/" : next;
}
