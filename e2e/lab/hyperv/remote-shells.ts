/**
 * WinRS: shells and commands. What is known here is really done in the jail: curl.exe and certutil.exe by the programs of
 * this machine, and cmd's own echo into a file, del, dir, mkdir and move. Anything else is not found, as on a bare host.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  appendFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { at, textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { NS } from "#lib/wire/wsman/message.ts";
import type { Jail } from "./jail.ts";
import { readScript, transfer } from "./net-transfer.ts";
import { Fault, type WsmanCall, type WsmanReply } from "./wsman-server.ts";

interface Running {
  stdout: Buffer[];
  stderr: Buffer[];
  exitCode: number | null;
  child: ChildProcess | null;
  wake: () => void;
}

interface Shell {
  readonly commands: Map<string, Running>;
}

const CMD = `${NS.shell}/cmd`;

export class RemoteShells {
  readonly #jail: Jail;
  readonly #shells = new Map<string, Shell>();
  /** Programs that are not on this host, by name. */
  readonly missing = new Set<string>();
  /** Shells at once before the quota is reached. */
  most = 30;
  /** What curl may move a second: `2M`; null: as fast as it can. */
  rate: string | null = null;
  /** Bytes that a file may have before the drive is full. */
  largestFile: number | null = null;
  /** This host's curl takes no CA file, as the one of an early Server 2019. */
  oldCurl = false;
  /** The storage turns a bit of what was written. */
  rotten = false;
  /** Command lines so far. */
  readonly ran: string[] = [];

  constructor(jail: Jail) {
    this.#jail = jail;
  }

  get open(): number {
    return this.#shells.size;
  }

  /** Programs that run now. */
  get running(): number {
    return this.#children().length;
  }

  #children(): ChildProcess[] {
    return [...this.#shells.values()]
      .flatMap((shell) => [...shell.commands.values()])
      .flatMap(({ child, exitCode }) => (child === null || exitCode !== null ? [] : [child]));
  }

  /** The programs die, as when the line to the other side is cut for good. */
  killPrograms(): void {
    for (const child of this.#children()) child.kill("SIGKILL");
  }

  /** All shells end, and what runs in them. */
  forget(): void {
    this.killPrograms();
    this.#shells.clear();
  }

  /** Null: not a call for a shell. */
  async handle(call: WsmanCall): Promise<WsmanReply | null> {
    if (call.resource.toLowerCase() !== CMD.toLowerCase()) return null;
    const response = { action: `${call.action}Response` };
    if (call.action === `${NS.transfer}/Create`) return { ...response, body: this.#create() };
    const shell = this.#shells.get((call.selectors["ShellId"] ?? "").toUpperCase());
    if (shell === undefined) {
      throw new Fault(
        "InvalidSelectors",
        2150858843,
        "The request for the Windows Remote Shell with ShellId failed because the shell was not found on the server.",
      );
    }
    switch (call.action) {
      case `${NS.shell}/Command`:
        return { ...response, body: this.#command(shell, call) };
      case `${NS.shell}/Receive`:
        return { ...response, body: await this.#receive(shell, call) };
      case `${NS.shell}/Signal`: {
        const running = shell.commands.get(call.body?.attributes?.["CommandId"] ?? "");
        running?.child?.kill("SIGTERM");
        return { ...response, body: xml`<r:SignalResponse xmlns:r="${NS.shell}"/>` };
      }
      case `${NS.shell}/Send`:
        return { ...response, body: xml`<r:SendResponse xmlns:r="${NS.shell}"/>` };
      case `${NS.transfer}/Delete`:
        for (const running of shell.commands.values()) running.child?.kill("SIGKILL");
        this.#shells.delete((call.selectors["ShellId"] ?? "").toUpperCase());
        return { ...response, body: null };
      default:
        throw new Fault("ActionNotSupported", 2150858817, call.action);
    }
  }

  #create() {
    if (this.#shells.size >= this.most) {
      throw new Fault(
        "QuotaLimit",
        2150859173,
        "The WS-Management service cannot process the request. This user has exceeded the maximum number of shells allowed by the quota.",
      );
    }
    const id = randomUUID().toUpperCase();
    this.#shells.set(id, { commands: new Map() });
    return xml`<x:ResourceCreated xmlns:x="${NS.transfer}"><a:Address>${NS.addressing}/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>${CMD}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">${id}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><r:Shell xmlns:r="${NS.shell}"><r:ShellId>${id}</r:ShellId><r:ResourceUri>${CMD}</r:ResourceUri><r:Owner>LAB</r:Owner><r:InputStreams>stdin</r:InputStreams><r:OutputStreams>stdout stderr</r:OutputStreams></r:Shell>`;
  }

  #command(shell: Shell, call: WsmanCall) {
    const words = (call.body?.children ?? []).filter(({ name }) => name === "Arguments").map(({ text }) => text);
    const line = [textAt(call.body, "Command") ?? "", ...words].join(" ");
    const id = randomUUID().toUpperCase();
    this.ran.push(line);
    const running: Running = { stdout: [], stderr: [], exitCode: null, child: null, wake: () => undefined };
    shell.commands.set(id, running);
    void this.#runAll(line.trim(), running)
      .catch((error: unknown) => {
        running.stderr.push(Buffer.from(`${error instanceof Error ? error.message : String(error)}\r\n`));
        return 1;
      })
      .then((code) => {
        running.exitCode = code;
        running.wake();
      });
    return xml`<r:CommandResponse xmlns:r="${NS.shell}"><r:CommandId>${id}</r:CommandId></r:CommandResponse>`;
  }

  async #receive(shell: Shell, call: WsmanCall) {
    const id = at(call.body, "DesiredStream")?.attributes?.["CommandId"] ?? "";
    const running = shell.commands.get(id);
    if (running === undefined) throw new Fault("InvalidSelectors", 2150858843, "The command was not found.");
    const quiet = () => running.stdout.length === 0 && running.stderr.length === 0 && running.exitCode === null;
    if (quiet()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(call.timeout, 20) * 1000);
        running.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (quiet())
      throw new Fault(
        "TimedOut",
        2150858793,
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
      );
    const streams = (["stdout", "stderr"] as const).flatMap((name) =>
      running[name]
        .splice(0)
        .map((piece) => xml`<r:Stream Name="${name}" CommandId="${id}">${piece.toString("base64")}</r:Stream>`),
    );
    const done = running.exitCode !== null;
    const ends = done
      ? xml`<r:Stream Name="stdout" CommandId="${id}" End="true"></r:Stream><r:Stream Name="stderr" CommandId="${id}" End="true"></r:Stream>`
      : null;
    const state = done
      ? xml`<r:CommandState CommandId="${id}" State="${NS.shell}/CommandState/Done"><r:ExitCode>${running.exitCode}</r:ExitCode></r:CommandState>`
      : xml`<r:CommandState CommandId="${id}" State="${NS.shell}/CommandState/Running"/>`;
    return xml`<r:ReceiveResponse xmlns:r="${NS.shell}">${streams}${ends}${state}</r:ReceiveResponse>`;
  }

  /** One after another; what fails does not keep the next from being run. */
  async #runAll(line: string, running: Running): Promise<number> {
    let code = 0;
    for (const each of inTurn(line)) {
      code = await this.#run(each, running).catch((error: unknown) => {
        running.stderr.push(Buffer.from(`${error instanceof Error ? error.message : String(error)}\r\n`));
        return 1;
      });
    }
    return code;
  }

  async #run(line: string, running: Running): Promise<number> {
    const say = (text: string) => {
      running.stdout.push(Buffer.from(text));
      running.wake();
    };
    const written = /^\((echo [\s\S]*)\)\s*>\s*"?([^"]+?)"?\s*$/i.exec(line);
    if (written !== null) {
      const lines = (written[1] ?? "").split(/\s*&\s*/).map((each) => each.replace(/^echo /i, ""));
      writeFileSync(this.#path(written[2] ?? ""), `${lines.join("\r\n")}\r\n`);
      return 0;
    }
    const inner = /^cmd(?:\.exe)?\s+\/[cC]\s+([\s\S]+)$/.exec(line)?.[1] ?? line;
    const appended = /^echo (\S+) >> (\S+)\s*$/.exec(inner);
    if (appended !== null) {
      appendFileSync(this.#path(expand(appended[2] ?? "")), `${appended[1] ?? ""}\r\n`);
      return 0;
    }
    const words = split(inner);
    const program = (words.shift() ?? "")
      .toLowerCase()
      .replace(/^.*\\/, "")
      .replace(/\.exe$/, "");
    if (this.missing.has(program)) return this.#notFound(program, running);
    switch (program) {
      case "echo":
        say(`${words.join(" ")}\r\n`);
        return 0;
      case "hostname":
        say("HV-LAB\r\n");
        return 0;
      case "ipconfig":
        say("\r\nWindows IP Configuration\r\n\r\n");
        return 0;
      case "ver":
        say("\r\nMicrosoft Windows [Version 10.0.20348.2113]\r\n");
        return 0;
      case "mkdir":
      case "md":
        for (const path of operands(words)) mkdirSync(this.#path(path), { recursive: true });
        return 0;
      case "rmdir":
      case "rd":
        for (const path of operands(words)) {
          if (existsSync(this.#path(path)) && readdirSync(this.#path(path)).length === 0)
            rmSync(this.#path(path), { recursive: true });
        }
        return 0;
      case "del":
        for (const path of operands(words)) {
          if (!existsSync(this.#path(path))) say(`Could Not Find ${path}\r\n`);
          rmSync(this.#path(path), { force: true });
        }
        return 0;
      case "move": {
        const [from = "", to = ""] = operands(words);
        renameSync(this.#path(from), this.#path(to));
        say("        1 file(s) moved.\r\n");
        return 0;
      }
      case "dir":
        return this.#dir(operands(words), words, say, running);
      case "certutil":
        return this.#certutil(words, say);
      case "curl":
        return this.#curl(words, running);
      case "powershell":
        return this.#powershell(words, running);
      default:
        return this.#notFound(program, running);
    }
  }

  #notFound(program: string, running: Running): number {
    running.stderr.push(
      Buffer.from(
        `'${program}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n`,
      ),
    );
    return 9009;
  }

  #path(path: string): string {
    const local = this.#jail.local(path.replaceAll('"', ""));
    if (local === null) throw new Error("The system cannot find the path specified.");
    return local;
  }

  /** With `/b` names only; `/-c` sizes without separators. The exit code is the last one's. */
  #dir(paths: readonly string[], words: readonly string[], say: (text: string) => void, running: Running): number {
    const bare = words.some((word) => word.toLowerCase() === "/b");
    let code = 0;
    for (const path of paths.length === 0 ? ["C:\\"] : paths) {
      const local = this.#path(path);
      code = existsSync(local) ? 0 : 1;
      if (code !== 0) {
        running.stderr.push(Buffer.from("File Not Found\r\n"));
        continue;
      }
      const folder = statSync(local).isDirectory();
      for (const name of folder ? readdirSync(local) : [local.slice(local.lastIndexOf("/") + 1)]) {
        const stats = statSync(folder ? join(local, name) : local);
        say(
          bare
            ? `${name}\r\n`
            : `01/02/2026  10:00 AM ${stats.isDirectory() ? "   <DIR>         " : String(stats.size).padStart(17)} ${name}\r\n`,
        );
      }
    }
    return code;
  }

  async #certutil(words: readonly string[], say: (text: string) => void): Promise<number> {
    if (words[0]?.toLowerCase() !== "-hashfile") return 1;
    const path = words[1] ?? "";
    if (this.rotten) rot(this.#path(path));
    const hash = createHash((words[2] ?? "SHA1").toLowerCase());
    for await (const piece of createReadStream(this.#path(path))) hash.update(piece as Buffer);
    say(`SHA256 hash of ${path}:\r\n${hash.digest("hex")}\r\nCertUtil: -hashfile command completed successfully.\r\n`);
    return 0;
  }

  /** PowerShell itself is not here. What our transfers ask of .NET is done by Node; what winrmcp asks of it, to join the pieces that it sent, is done all the same. */
  #powershell(words: readonly string[], running: Running): number | Promise<number> {
    const index = words.findIndex((word) => /^-enc/i.test(word));
    const script = Buffer.from(words[index + 1] ?? "", "base64").toString("utf16le");
    const asked = readScript(script);
    if (asked !== null) {
      return transfer({ ...asked, path: this.#path(asked.path) }).catch((error: unknown) => {
        running.stderr.push(Buffer.from(`${error instanceof Error ? error.message : String(error)}\r\n`));
        return 1;
      });
    }
    const from = /\$tmp_file_path = \[System\.IO\.Path\]::GetFullPath\("([^"]+)"\)/.exec(script)?.[1];
    const to = /\$dest_file_path = \[System\.IO\.Path\]::GetFullPath\("([^"]+)"/.exec(script)?.[1];
    if (from !== undefined && script.includes("Remove-Item $tmp_file_path")) {
      rmSync(this.#path(expand(from)), { force: true });
      return 0;
    }
    if (index < 0 || from === undefined || to === undefined) return this.#notFound("powershell", running);
    const pieces = readFileSync(this.#path(expand(from)), "latin1")
      .split(/\r?\n/)
      .filter(Boolean);
    writeFileSync(this.#path(to), Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64"))));
    return 0;
  }

  #curl(words: readonly string[], running: Running): Promise<number> {
    // Paths of the host become those of the jail; a path may stand behind an @.
    const mapped = words
      .filter((word) => word !== "--ssl-no-revoke")
      .map((word) => {
        const found = /^(@?)([A-Za-z]:\\.*)$/.exec(word);
        return found === null ? word : `${found[1] ?? ""}${this.#path(found[2] ?? "")}`;
      });
    if (this.oldCurl && words.includes("--cacert")) {
      running.stderr.push(Buffer.from("curl: (4) schannel: CA cert support not built in\r\n"));
      return Promise.resolve(4);
    }
    const paced = this.rate === null ? mapped : ["--limit-rate", this.rate, ...mapped];
    // A file that has reached its limit cannot be written any more, as on a full drive.
    const limited =
      this.largestFile === null
        ? []
        : ["-c", `trap "" XFSZ; ulimit -f ${Math.floor(this.largestFile / 512)}; exec curl "$@"`, "curl"];
    return new Promise((resolve, reject) => {
      const child = spawn(limited.length === 0 ? "curl" : "sh", [...limited, "-q", ...paced], {
        cwd: this.#jail.folder,
        stdio: ["ignore", "pipe", "pipe"],
      });
      running.child = child;
      const keep = (name: "stdout" | "stderr") => (piece: Buffer) => {
        running[name].push(piece);
        running.wake();
      };
      child.stdout.on("data", keep("stdout"));
      child.stderr.on("data", keep("stderr"));
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? 1));
    });
  }
}

/** The commands of a line: an `&` ends one, unless it stands in quotes or in brackets that a command begins with. */
function inTurn(line: string): string[] {
  const commands = [""];
  let quoted = false;
  let depth = 0;
  for (const char of line) {
    const current = commands.at(-1) ?? "";
    if (char === '"') quoted = !quoted;
    if (!quoted && char === "(" && (depth > 0 || current.trim() === "")) depth += 1;
    if (!quoted && char === ")" && depth > 0) depth -= 1;
    if (!quoted && depth === 0 && char === "&") commands.push("");
    else commands[commands.length - 1] = current + char;
  }
  return commands.map((each) => each.trim()).filter(Boolean);
}

/** Words as cmd.exe hands them on: quotes group, and are gone. */
function split(line: string): string[] {
  return [...line.matchAll(/(?:"([^"]*)"|(\S))+/g)].map(([whole]) => whole.replaceAll('"', ""));
}

/** The one variable that clients use. */
function expand(path: string): string {
  return path.replaceAll(/%TEMP%|\$env:TEMP/gi, "C:\\Windows\\Temp");
}

/** Without the switches. */
function operands(words: readonly string[]): string[] {
  return words.filter((word) => !word.startsWith("/"));
}

function rot(path: string): void {
  const bytes = readFileSync(path);
  const last = bytes.length - 1;
  bytes[last] = 255 - (bytes[last] ?? 0);
  writeFileSync(path, bytes);
}
