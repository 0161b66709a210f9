/** Every command: what it does not know is refused, and nothing of the program's own stands in its way. */
import { CommanderError, type Command } from "commander";
import { describe, expect, it } from "vitest";
import { makeProgram } from "./program.ts";

interface Found {
  readonly path: readonly string[];
  readonly command: Command;
}

function commandsOf(parent: Command, path: readonly string[]): Found[] {
  return parent.commands
    .filter((command) => command.name() !== "help")
    .flatMap((command) => {
      const here = [...path, command.name()];
      return [{ path: here, command }, ...commandsOf(command, here)];
    });
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  for (const child of command.commands) silence(child);
}

/** What became of the words: commander's exit code, or what the command was called with. */
async function outcome(words: readonly string[]): Promise<number | { path: string; options: Record<string, unknown> }> {
  const program = makeProgram();
  silence(program);
  const called: { path: string; options: Record<string, unknown> }[] = [];
  for (const { path, command } of commandsOf(program, []))
    if (command.commands.length === 0)
      command.action(() => {
        called.push({ path: path.join(" "), options: command.opts() });
      });
  try {
    await program.parseAsync([...words], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  const [only] = called;
  if (only === undefined) throw new Error(`${words.join(" ")} did nothing`);
  return only;
}

/** Words that make the command complete: a value for each argument and each option that is required. */
function complete({ path, command }: Found): string[] {
  const needed = command.options.filter((option) => option.mandatory).flatMap((option) => [option.long ?? "", "value"]);
  return [...path, ...command.registeredArguments.map(() => "word"), ...needed];
}

const all = commandsOf(makeProgram(), []);
const leaves = all.filter(({ command }) => command.commands.length === 0);
const named = (found: readonly Found[]) => found.map((each) => [each.path.join(" "), each] as const);

describe("the program", () => {
  it("answers its own --version and --help with 0, and what it does not know with another code", async () => {
    expect(await outcome(["--version"])).toBe(0);
    expect(await outcome(["--help"])).toBe(0);
    expect(await outcome(["nonsense"])).not.toBe(0);
    expect(await outcome(["--nonsense"])).not.toBe(0);
    expect(await outcome([])).not.toBe(0);
  });

  it("leaves a command's --version to the command", async () => {
    expect(await outcome(["deploy", "image", "--to", "host", "--version", "1"])).toEqual({
      path: "deploy",
      options: expect.objectContaining({ version: "1", to: ["host"] }) as unknown,
    });
  });
});

describe.each(named(all))("what %s says of words that it does not know", (_name, { path, command }) => {
  it("is text, whatever they hold", async () => {
    const program = makeProgram();
    let said = "";
    const hear = (each: Command): void => {
      each.configureOutput({ writeOut: (text) => (said += text), writeErr: (text) => (said += text) });
      for (const child of each.commands) hear(child);
    };
    hear(program);
    for (const each of commandsOf(program, []))
      if (each.command.commands.length === 0) each.command.action(() => undefined);
    const words = ["--\u001b]0;x\u0007", "\u009b31mx", "\u001b[2J", "\u202ex"];
    for (const word of words) {
      await program.parseAsync([word], { from: "user" }).catch(() => undefined);
      await program
        .parseAsync([...complete({ path, command }), word, word], { from: "user" })
        .catch((error: unknown) => expect(error).toBeInstanceOf(CommanderError));
    }
    expect(said).toMatch(/unknown|too many/);
    expect(said.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });
});

describe.each(named(leaves))("%s", (_name, found) => {
  const own = new Set(found.command.options.flatMap((option) => [option.long, option.short]));

  it("is called by complete words, and shows its help", async () => {
    expect(await outcome(complete(found))).toMatchObject({ path: found.path.join(" ") });
    expect(await outcome([...found.path, "--help"])).toBe(0);
    expect(await outcome([...found.path, "-h"])).toBe(0);
  });

  it("refuses options that it does not have, the program's among them", async () => {
    for (const option of ["--version", "-V", "--nonsense", "-Z"].filter((each) => !own.has(each)))
      expect([option, await outcome([...complete(found), option])]).not.toEqual([option, 0]);
    for (const option of ["--version", "-V", "--nonsense"].filter((each) => !own.has(each)))
      expect(typeof (await outcome([...complete(found), option]))).toBe("number");
  });

  it("refuses words that it has no use for, also behind --", async () => {
    if (found.command.registeredArguments.some((argument) => argument.variadic)) return;
    const [last] = found.command.options.filter((option) => option.mandatory && option.variadic);
    if (last !== undefined) return;
    expect(await outcome([...complete(found), "more"])).not.toBe(0);
    expect(typeof (await outcome([...complete(found), "--", "more"]))).toBe("number");
  });
});

describe.each(named(all.filter(({ command }) => command.commands.length > 0)))("%s", (_name, { path }) => {
  it("does not end well without a command of its own", async () => {
    expect(await outcome([...path])).not.toBe(0);
    expect(await outcome([...path, "nonsense"])).not.toBe(0);
    expect(await outcome([...path, "--version"])).not.toBe(0);
  });
});
