/** Which machine of a package is meant, and in which of its configurations. */
import { AppError } from "#lib/errors.ts";
import type { MachineChoice } from "../container.ts";
import type { OvfConfiguration } from "./envelope.ts";

const MOST_LISTED = 2000;

/** Place of the machine; null when there are several and nobody said which. Throws `image.no-such-machine`. */
export function chooseMachine(
  file: string,
  offset: number,
  names: readonly string[],
  { machine = null }: MachineChoice,
): number | null {
  if (machine === null) return names.length > 1 ? null : 0;
  const named = names.indexOf(machine);
  // `#2` is a place whatever the machines are called; a bare number is one where none is called so.
  const placed = /^(#?)(\d{1,4})$/.exec(machine);
  const place = placed !== null && (placed[1] === "#" || named === -1) ? Number(placed[2]) - 1 : named;
  if (names[place] !== undefined) return place;
  throw new AppError("unprocessable", "image.no-such-machine", `${file} has no machine ${machine}.`, {
    hint: `It holds ${listed(names)}`,
    details: { file, offset },
  });
}

const listed = (names: readonly string[]): string =>
  names
    .map((name, i) => `${i + 1}: ${name}`)
    .join(", ")
    .slice(0, MOST_LISTED);

/** Throws `image.machine-unsaid` for a package of several machines, when nobody said which. */
export function requireMachine(file: string, undecided: readonly string[]): void {
  if (undecided.length === 0) return;
  throw new AppError("unprocessable", "image.machine-unsaid", `${file} holds ${undecided.length} machines.`, {
    hint: `Say which one. ${listed(undecided)}`,
    details: { file, offset: 0, machines: [...undecided] },
  });
}

/** Null: there are none to choose from. Throws `image.no-such-configuration`. */
export function chooseConfiguration(
  file: string,
  offset: number,
  configurations: readonly OvfConfiguration[],
  { configuration = null }: MachineChoice,
): { id: string; note: string } | null {
  const words = configurations.map(({ id, label }) => (label === id ? id : `${id} (${label})`));
  const found =
    configuration === null
      ? configurations.find(({ isDefault }) => isDefault)
      : configurations.find(({ id }) => id === configuration);
  if (found === undefined) {
    if (configuration === null) return null;
    throw new AppError(
      "unprocessable",
      "image.no-such-configuration",
      `${file} has no configuration ${configuration}.`,
      {
        hint: words.length === 0 ? "Leave the configuration out." : `It has ${words.join(", ").slice(0, MOST_LISTED)}`,
        details: { file, offset },
      },
    );
  }
  const others = words.filter((_, i) => configurations[i] !== found);
  const how = configuration === null ? ", its default" : "";
  const rest = others.length === 0 ? "" : ` It also has ${others.join(", ").slice(0, 400)}.`;
  return { id: found.id, note: `The machine is read in the configuration ${found.id}${how}.${rest}` };
}
