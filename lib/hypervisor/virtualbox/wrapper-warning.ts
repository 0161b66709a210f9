/** Debian's `VBoxManage` is a script that prints this on stdout, before every answer, while the kernel driver is missing. */
const FIRST_LINE =
  /^WARNING: The (?:character device \/dev\/vboxdrv does not exist|vboxdrv kernel module is not loaded)/;

/** The answer alone. The warning's own lines begin with blanks or are empty; no answer of VBoxManage does. */
export function withoutWarning(stdout: string): string {
  if (!FIRST_LINE.test(stdout)) return stdout;
  const answer = /\n(?=[^\s])/.exec(stdout);
  return answer === null ? "" : stdout.slice(answer.index + 1);
}
