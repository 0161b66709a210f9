/** VBoxManage on one machine: found, new enough, one command at a time for each VM. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import type { HostMachine, MachineOs } from "./host-machine.ts";
import { isBusy, isNotFound, isServerAway, VBoxError, vboxError } from "./vbox-error.ts";
import { withoutWarning } from "./wrapper-warning.ts";

export interface VBoxVersion {
  readonly major: number;
  readonly minor: number;
  /** `7.2.22_Debianr175245` */
  readonly text: string;
}

export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** Bytes that it may print. Default: 4 MiB. */
  readonly maxBytes?: number;
  /** Commands that name the same VM wait for one another. */
  readonly vm?: string;
  /** Carried out twice it does what it does once, so that it is given again like a question that was lost. */
  readonly harmlessTwice?: boolean;
}

const PLACES: Record<MachineOs, readonly string[]> = {
  // Before what is on the PATH: Debian's is a script that prints a warning first.
  linux: [
    "/usr/lib/virtualbox/VBoxManage",
    "/opt/VirtualBox/VBoxManage",
    "/usr/bin/VBoxManage",
    "/usr/local/bin/VBoxManage",
  ],
  macos: ["/Applications/VirtualBox.app/Contents/MacOS/VBoxManage", "/usr/local/bin/VBoxManage"],
  windows: ["C:\\Program Files\\Oracle\\VirtualBox\\VBoxManage.exe"],
};
/** A full path that ends in VBoxManage, on Linux, macOS or Windows. */
const NAMED = /^(?:\/|[A-Za-z]:[\\/])(?:.*[\\/])?VBoxManage(?:\.exe)?$/i;
/** 6.1, the first with `snapshot list --machinereadable` as it is read here, and with images that are moved between folders. */
const OLDEST = { major: 6, minor: 1 };
const COMMAND_MS = 60_000;
const MOST_ANSWER = 4 * 1024 ** 2;
const BUSY_TRIES = 6;
const SERVER_TRIES = 4;
/** No question takes so long that was heard. */
const LOST_MS = 2500;

export class VBoxManage {
  readonly machine: HostMachine;
  readonly program: string;
  readonly version: VBoxVersion;
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(machine: HostMachine, program: string, version: VBoxVersion) {
    this.machine = machine;
    this.program = program;
    this.version = version;
  }

  /** Throws `host.no-hypervisor` and `host.too-old`. */
  static async find(machine: HostMachine, signal?: AbortSignal): Promise<VBoxManage> {
    const program = await locate(machine, signal);
    let said: string;
    try {
      const { code, stdout, stderr } = await machine.run(program, ["--version"], {
        signal,
        timeoutMs: COMMAND_MS,
        maxBytes: MOST_ANSWER,
      });
      if (code !== 0) throw vboxError(stderr, stdout, code);
      said = withoutWarning(stdout).trim();
    } catch (error) {
      if (signal?.aborted === true || error instanceof AppError) throw error;
      throw notThere(machine, `${program} does not run there`, error);
    }
    const found = /(?:^|\n)(\d+)\.(\d+)\.\S*$/.exec(said);
    if (found === null) throw notThere(machine, `${program} there does not tell its version`, said.slice(0, 200));
    const version = { major: Number(found[1]), minor: Number(found[2]), text: found[0].trim() };
    if (version.major < OLDEST.major || (version.major === OLDEST.major && version.minor < OLDEST.minor)) {
      throw new AppError(
        "unprocessable",
        "host.too-old",
        `${machine.name} has VirtualBox ${version.text}; ${OLDEST.major}.${OLDEST.minor} or newer is needed.`,
        { hint: "Update VirtualBox on that machine.", details: { version: version.text } },
      );
    }
    return new VBoxManage(machine, program, version);
  }

  atLeast(major: number, minor = 0): boolean {
    return this.version.major > major || (this.version.major === major && this.version.minor >= minor);
  }

  /** What it prints. Throws VBoxError with its words, `host.timeout`, `host.unreachable`. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const once = options.harmlessTwice !== true;
    return this.#inTurn(options.vm, () => (once ? this.#run(args, options) : this.#ask(args, options)));
  }

  #inTurn(vm: string | undefined, work: () => Promise<string>): Promise<string> {
    if (vm === undefined) return work();
    const turn = (this.#turns.get(vm) ?? Promise.resolve()).then(work, work);
    this.#turns.set(vm, turn);
    const leave = (): void => {
      if (this.#turns.get(vm) === turn) this.#turns.delete(vm);
    };
    turn.then(leave, leave);
    return turn;
  }

  /** VirtualBox's own server may be on its way out or not yet up: nothing was done then, and it is asked again. */
  async #run(args: readonly string[], options: CommandOptions): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#runOnce(args, options);
      } catch (error) {
        if (!isServerAway(error) || attempt >= SERVER_TRIES) throw error;
        await delay(1000, undefined, options.signal === undefined ? {} : { signal: options.signal });
      }
    }
  }

  async #runOnce(args: readonly string[], options: CommandOptions): Promise<string> {
    options.signal?.throwIfAborted();
    const { code, stdout, stderr } = await this.machine.run(this.program, args, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? COMMAND_MS,
      maxBytes: options.maxBytes ?? MOST_ANSWER,
    });
    if (code !== 0) throw vboxError(stderr, stdout, code);
    return withoutWarning(stdout);
  }

  /** Tries again while another program holds the VM or the medium: a window of VirtualBox, a command of another session. */
  async runWhenFree(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.run(args, options);
      } catch (error) {
        if (!isBusy(error) || attempt >= BUSY_TRIES) throw error;
        await delay(250 * attempt, undefined, options.signal === undefined ? {} : { signal: options.signal });
      }
    }
  }

  /**
   * A question that changes nothing. VirtualBox now and then loses a client that comes while another leaves, and
   * serves it 10 s later; the same question asked once more is answered at once.
   */
  ask(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#inTurn(options.vm, () => this.#ask(args, options));
  }

  async #ask(args: readonly string[], options: CommandOptions): Promise<string> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    const first = this.#run(args, { ...options, signal });
    try {
      const early = await Promise.race([first, delay(LOST_MS, null, { signal }).catch(() => null)]);
      if (early !== null) return early;
      options.signal?.throwIfAborted();
      return await Promise.any([first, this.#run(args, { ...options, signal })]);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    } finally {
      // The other one is not waited for.
      first.catch(() => undefined);
      over.abort();
    }
  }

  /** Questions whose answer another session's command can tear: what is not whole is asked for again. */
  async askWhole(args: readonly string[], whole: (text: string) => boolean, options: CommandOptions): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const text = await this.ask(args, options);
        if (whole(text) || attempt >= 3) return text;
      } catch (error) {
        if (!(error instanceof VBoxError) || attempt >= 3 || isNotFound(error)) throw error;
      }
      await delay(100 * attempt, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }
}

async function locate(machine: HostMachine, signal?: AbortSignal): Promise<string> {
  const { program } = machine;
  if (program !== null && !NAMED.test(program))
    throw notThere(machine, "SUPRAVISOR_VBOXMANAGE is not the full path of a VBoxManage", null);
  const isThere = async (path: string): Promise<boolean> =>
    (await machine.files.stat(path, signal).catch(() => null))?.isFile === true;
  for (const path of program === null ? PLACES[machine.os] : [program]) if (await isThere(path)) return path;
  if (program !== null) throw notThere(machine, `there is no ${program} there`, null);
  const found = await machine.search(signal);
  if (found !== null && (await isThere(found))) return found;
  throw notThere(machine, "VBoxManage is in none of the usual places there", null);
}

function notThere(machine: HostMachine, why: string, cause: unknown): AppError {
  return new AppError("unprocessable", "host.no-hypervisor", `${machine.name} has no VirtualBox: ${why}.`, {
    hint: "Install VirtualBox 6.1 or newer there. Elsewhere than in the usual places: SUPRAVISOR_VBOXMANAGE names it on this server, the PATH of the account on another machine.",
    ...(cause === null ? {} : { cause }),
  });
}
