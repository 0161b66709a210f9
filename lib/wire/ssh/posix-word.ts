/**
 * One word for the login shell of another machine, whichever that is: sh, bash, zsh, fish, and csh but for line breaks.
 * Between single quotes nothing is special to them, except that fish takes a backslash before a quote or another
 * backslash for an escape, and csh an exclamation mark for its history. So these stand outside of the quotes, behind a
 * backslash, which all take alike there.
 */
export function posixWord(text: string): string {
  return `'${text.replaceAll(/['\\!]/g, String.raw`'\$&'`)}'`;
}
