/** A question that a VM asks: until somebody answers it, the VM and the task that it interrupts stand still. */
import type { VmQuestion } from "#lib/domain/inventory.ts";
import { all, at, textAt, type Element } from "#lib/wire/soap/element.ts";

const MOST_CHOICES = 16;
const LONGEST_TEXT = 2000;
const LONGEST_CHOICE = 200;

/** Of `runtime.question`. Texts come with the key of their message before them, buttons with a `_` before their letter. */
export function questionOf(info: Element | undefined): VmQuestion | null {
  const text = (textAt(info, "text") ?? "")
    .replaceAll(/(^|\n)msg\.[\w.-]+:/g, "$1")
    .trim()
    .slice(0, LONGEST_TEXT);
  if (info === undefined || text === "") return null;
  const choices = all(at(info, "choice"), "choiceInfo").flatMap((choice) => {
    // Some hosts have the key of the text as its label.
    const label = textAt(choice, "label") ?? "";
    const words = (label === "" || /^\w+(\.\w+)+$/.test(label) ? (textAt(choice, "summary") ?? label) : label)
      .replace("_", "")
      .trim()
      .slice(0, LONGEST_CHOICE);
    return words === "" ? [] : [words];
  });
  return { text, choices: choices.slice(0, MOST_CHOICES) };
}
