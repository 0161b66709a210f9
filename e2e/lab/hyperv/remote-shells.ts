/** WinRS: shells and the commands in them. Source: [MS-WSMV] 3.1.4.5 to 3.1.4.11. */
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { all, at, textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { NS } from "#lib/wire/wsman/message.ts";
import type { HostPrograms, Running } from "./programs.ts";
import { Fault, type WsmanCall, type WsmanReply } from "./wsman-server.ts";

interface Shell {
  readonly commands: Map<string, Running>;
  /** By names in capitals. */
  readonly environment: ReadonlyMap<string, string>;
}

const CMD = `${NS.shell}/cmd`;

export class RemoteShells {
  readonly #programs: HostPrograms;
  readonly #shells = new Map<string, Shell>();
  /** Shells at once before the quota is reached. */
  most = 30;
  /** The last answer for a program holds two states, that it runs and that it has ended, as some hosts send it. */
  twoStates = false;

  constructor(programs: HostPrograms) {
    this.#programs = programs;
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
    if (call.action === `${NS.transfer}/Create`) return { ...response, body: this.#create(call) };
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

  #create(call: WsmanCall) {
    if (this.#shells.size >= this.most) {
      throw new Fault(
        "QuotaLimit",
        2150859173,
        "The WS-Management service cannot process the request. This user has exceeded the maximum number of shells allowed by the quota.",
      );
    }
    const id = randomUUID().toUpperCase();
    const environment = new Map(
      all(at(call.body, "Environment"), "Variable").map(({ attributes, text }) => [
        (attributes?.["Name"] ?? "").toUpperCase(),
        text,
      ]),
    );
    this.#shells.set(id, { commands: new Map(), environment });
    return xml`<x:ResourceCreated xmlns:x="${NS.transfer}"><a:Address>${NS.addressing}/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>${CMD}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">${id}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><r:Shell xmlns:r="${NS.shell}"><r:ShellId>${id}</r:ShellId><r:ResourceUri>${CMD}</r:ResourceUri><r:Owner>LAB</r:Owner><r:InputStreams>stdin</r:InputStreams><r:OutputStreams>stdout stderr</r:OutputStreams></r:Shell>`;
  }

  #command(shell: Shell, call: WsmanCall) {
    const words = (call.body?.children ?? []).filter(({ name }) => name === "Arguments").map(({ text }) => text);
    const line = [textAt(call.body, "Command") ?? "", ...words].join(" ");
    const id = randomUUID().toUpperCase();
    const running: Running = { stdout: [], stderr: [], exitCode: null, child: null, wake: () => undefined };
    shell.commands.set(id, running);
    void this.#programs
      .run(line.trim(), running, shell.environment)
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
    const stillRunning = xml`<r:CommandState CommandId="${id}" State="${NS.shell}/CommandState/Running"/>`;
    const state = done
      ? xml`${this.twoStates ? stillRunning : null}<r:CommandState CommandId="${id}" State="${NS.shell}/CommandState/Done"><r:ExitCode>${running.exitCode}</r:ExitCode></r:CommandState>`
      : stillRunning;
    return xml`<r:ReceiveResponse xmlns:r="${NS.shell}">${streams}${ends}${state}</r:ReceiveResponse>`;
  }
}
