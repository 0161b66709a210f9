/**
 * What the host can run: curl.exe and certutil.exe by the programs of this machine, and cmd's own echo into a file, del, dir,
 * mkdir and move, all of it really done in the jail. Anything else is not found, as on a bare host.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
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
import type { Jail } from "./jail.ts";
import { readScript, transfer } from "./net-transfer.ts";

export interface Running {
  stdout: Buffer[];
  stderr: Buffer[];
  exitCode: number | null;
  child: ChildProcess | null;
  wake: () => void;
}

export class HostPrograms {
  readonly #jail: Jail;
  /** Programs that are not on this host, by name. */
  readonly missing = new Set<string>();
  /** What curl may move a second: `2M`; null: as fast as it can. */
  rate: string | null = null;
  /** Bytes that a file may have before the drive is full. */
  largestFile: number | null = null;
  /** Of this host's curl.exe, which leaves TLS to Windows: before 7.60 without a file of certificates, before 8.11 without addresses in them. */
  curlVersion = "8.9.1";
  /** Files that the shell's own commands do not write, and say nothing of it, as some hosts do. */
  unwritten: RegExp | null = null;
  /** The storage turns a bit of what was written. */
  rotten = false;
  /** Command lines so far. */
  readonly ran: string[] = [];

  constructor(jail: Jail) {
    this.#jail = jail;
  }

  /** One after another; what fails does not keep the next from being run. Variables are put in by cmd, after the line was seen. */
  async run(line: string, running: Running, environment: ReadonlyMap<string, string> = new Map()): Promise<number> {
    this.ran.push(line);
    if (/Bearer (?!%)/.test(line)) throw new Error("a token stands in a command line, where every log has it");
    let code = 0;
    for (const each of inTurn(withVariables(line, environment))) {
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
      if (this.unwritten?.test(written[2] ?? "") === true) return 0;
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
        if (this.unwritten?.test(to) === true) return 0;
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
    // What `cmd /c` ends with, as WinRS runs it; 9009 stands in ERRORLEVEL of a batch file only.
    return 1;
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
    if (/\bbearer\b/i.test(script)) {
      running.stderr.push(Buffer.from("A secret stands in the command line.\r\n"));
      return 1;
    }
    const asked = readScript(script);
    if (asked !== null) {
      return transfer({ ...asked, path: this.#path(asked.path), header: this.#path(asked.header) }).catch(
        (error: unknown) => {
          running.stderr.push(Buffer.from(`${error instanceof Error ? error.message : String(error)}\r\n`));
          return asked.failed;
        },
      );
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
    if (words.includes("--version")) {
      const version = this.curlVersion;
      running.stdout.push(Buffer.from(`curl ${version} (Windows) libcurl/${version} Schannel zlib/1.3 WinIDN\r\n`));
      running.wake();
      return Promise.resolve(0);
    }
    if (words.some((word) => /\bbearer\b/i.test(word))) {
      running.stderr.push(Buffer.from("A secret stands in the command line.\r\n"));
      return Promise.resolve(1);
    }
    // Paths of the host become those of the jail; a path may stand behind an @.
    const mapped = words
      .filter((word) => word !== "--ssl-no-revoke")
      .map((word) => {
        const found = /^(@?)([A-Za-z]:\\.*)$/.exec(word);
        return found === null ? word : `${found[1] ?? ""}${this.#path(found[2] ?? "")}`;
      });
    const refused = schannelRefuses(this.curlVersion, words);
    if (refused !== null) {
      running.stderr.push(Buffer.from(`curl: (${refused.code}) schannel: ${refused.why}\r\n`));
      return Promise.resolve(refused.code);
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

/** With a file of certificates curl compares names itself: addresses in certificates only since 8.11. */
function schannelRefuses(version: string, words: readonly string[]): { code: number; why: string } | null {
  if (!words.includes("--cacert")) return null;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 7 || (major === 7 && minor < 60)) return { code: 4, why: "CA cert support not built in" };
  if (major > 8 || (major === 8 && minor >= 11)) return null;
  const address = words.map((word) => /^https:\/\/(\[[^\]]+\]|[\d.]+)[:/]/.exec(word)?.[1]).find(Boolean);
  if (address === undefined) return null;
  return {
    code: 60,
    why: `CertGetNameString() failed to match connection hostname (${address}) against server certificate names`,
  };
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
/** As cmd does outside of batch files: what has no value stays as it stands. */
function withVariables(line: string, environment: ReadonlyMap<string, string>): string {
  return line.replaceAll(/%(\w+)%/g, (whole, name: string) => environment.get(name.toUpperCase()) ?? whole);
}

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
