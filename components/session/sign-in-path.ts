/** Where to sign in, and where to come back to afterwards. */
export function signInPath(from: string): string {
  return from === "/" || from === "" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(from)}`;
}

/** Only a path of this site is followed: an address of another one would make the sign-in page a trap. */
export function safeNext(next: string | null): string {
  if (!next || !next.startsWith("/") || next.startsWith("//") || next.includes("\\")) return "/";
  // Browsers drop control characters inside an address, which would turn "/\t/other" into "//other".
  return /[\u0000-\u001f]/.test(next) ? "/" : next;
}
