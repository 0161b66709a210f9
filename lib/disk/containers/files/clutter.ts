/** Files that systems and archivers put among others without being asked: AppleDouble, folder settings, pax headers. */

const CLUTTER = /^(?:\._.*|__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|PaxHeaders?(?:\.\d+)?|@PaxHeader)$/i;

export function isClutter(path: string): boolean {
  return path.split(/[/\\]/).some((part) => CLUTTER.test(part));
}
