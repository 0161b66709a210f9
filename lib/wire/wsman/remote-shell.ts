/** One program run on the host through WinRS, with what it wrote and its exit code. Source: [MS-WSMV] 3.1.4.5 to 3.1.4.11. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { all, at, textAt } from "../soap/element.ts";
import { xml } from "../soap/xml-text.ts";
import { NS } from "./message.ts";
import { ProgramOutput } from "./program-output.ts";
import { isTimeOut, type WsmanClient } from "./wsman-client.ts";

const CMD = `${NS.shell}/cmd`;
/** Seconds of one wait for output. */
const WAIT = 20;
const CLOSE_MS = 10_000;
/** After an abort nobody waits: a program that the host was not told about ends with its shell's idle time. */
const QUICK_CLOSE_MS = 800;
/** A shell outlives its connection. So often it is asked for again, each time after twice as long. */
const RECONNECTS = 5;
const RECONNECT_MS = 250;

export interface ProgramOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables of the shell alone, for what may stand in no command line: those are logged, and shown to other accounts. */
export type ShellEnvironment = Readonly<Record<string, string>>;

export interface RunOptions {
  readonly environment?: ShellEnvironment | undefined;
  /** Sees what the program writes as it comes. */
  readonly onOutput?: (text: string) => void;
}

/**
 * Runs one command line (of cmd.exe) to its end. An abort ends the program on the host too. Throws WsmanFault, `host.*`,
 * and the signal's reason.
 */
export async function runProgram(
  client: WsmanClient,
  commandLine: string,
  signal: AbortSignal,
  { environment = {}, onOutput = () => undefined }: RunOptions = {},
): Promise<ProgramOutcome> {
  const shellId = await openShell(client, environment, signal);
  const selectors = { ShellId: shellId };
  try {
    const started = await client.send(
      {
        action: `${NS.shell}/Command`,
        resource: CMD,
        selectors,
        options: { WINRS_CONSOLEMODE_STDIN: "TRUE", WINRS_SKIP_CMD_SHELL: "FALSE" },
        body: xml`<r:CommandLine xmlns:r="${NS.shell}"><r:Command>${commandLine}</r:Command></r:CommandLine>`,
      },
      signal,
    );
    const commandId = textAt(at(started, "CommandResponse"), "CommandId");
    if (commandId === null) throw new AppError("unavailable", "host.protocol", "The host started nothing.");
    try {
      return await collect(client, selectors, commandId, signal, onOutput);
    } catch (error) {
      await terminate(client, selectors, commandId, closing(signal));
      throw error;
    }
  } finally {
    await closeShell(client, selectors, closing(signal));
  }
}

const closing = (signal: AbortSignal): AbortSignal => AbortSignal.timeout(signal.aborted ? QUICK_CLOSE_MS : CLOSE_MS);

async function openShell(client: WsmanClient, environment: ShellEnvironment, signal: AbortSignal): Promise<string> {
  const variables = Object.entries(environment).map(
    ([name, value]) => xml`<r:Variable Name="${name}">${value}</r:Variable>`,
  );
  const given = variables.length === 0 ? null : xml`<r:Environment>${variables}</r:Environment>`;
  const body = await client.send(
    {
      action: `${NS.transfer}/Create`,
      resource: CMD,
      options: { WINRS_NOPROFILE: "TRUE", WINRS_CODEPAGE: "65001" },
      body: xml`<r:Shell xmlns:r="${NS.shell}">${given}<r:InputStreams>stdin</r:InputStreams><r:OutputStreams>stdout stderr</r:OutputStreams></r:Shell>`,
    },
    signal,
  );
  const own = textAt(at(body, "Shell"), "ShellId");
  const created = all(at(body, "ResourceCreated", "ReferenceParameters", "SelectorSet"), "Selector").find(
    (selector) => selector.attributes?.["Name"] === "ShellId",
  );
  const shellId = own ?? created?.text ?? null;
  if (shellId === null) throw new AppError("unavailable", "host.protocol", "The host opened no shell.");
  return shellId;
}

async function collect(
  client: WsmanClient,
  selectors: { readonly ShellId: string },
  commandId: string,
  signal: AbortSignal,
  onOutput: (text: string) => void,
): Promise<ProgramOutcome> {
  const written = new ProgramOutput(onOutput);
  let lost = 0;
  for (;;) {
    signal.throwIfAborted();
    const body = await client
      .send(
        {
          action: `${NS.shell}/Receive`,
          resource: CMD,
          selectors,
          timeout: WAIT,
          body: xml`<r:Receive xmlns:r="${NS.shell}"><r:DesiredStream CommandId="${commandId}">stdout stderr</r:DesiredStream></r:Receive>`,
        },
        signal,
      )
      .catch(async (error: unknown) => {
        // Nothing was written for a while; the program still runs.
        if (isTimeOut(error)) return null;
        signal.throwIfAborted();
        if (!(error instanceof AppError) || error.code !== "host.unreachable" || lost === RECONNECTS) throw error;
        await delay(RECONNECT_MS * 2 ** lost, undefined, { signal }).catch(() => signal.throwIfAborted());
        lost += 1;
        return null;
      });
    if (body === null) continue;
    lost = 0;
    const answer = at(body, "ReceiveResponse");
    await written.take(all(answer, "Stream"), signal);
    // One answer can hold more than one: still running, and done.
    const done = all(answer, "CommandState").find((state) => state.attributes?.["State"]?.endsWith("/Done") === true);
    if (done !== undefined) return { exitCode: Number(textAt(done, "ExitCode") ?? 0), ...written.end() };
  }
}

/** The host is told even when the caller's own signal is what ended the waiting. */
async function terminate(
  client: WsmanClient,
  selectors: { readonly ShellId: string },
  commandId: string,
  signal: AbortSignal,
): Promise<void> {
  await client
    .send(
      {
        action: `${NS.shell}/Signal`,
        resource: CMD,
        selectors,
        body: xml`<r:Signal xmlns:r="${NS.shell}" CommandId="${commandId}"><r:Code>${NS.shell}/signal/terminate</r:Code></r:Signal>`,
      },
      signal,
    )
    // The host ends the program with its shell, too.
    .catch(() => undefined);
}

async function closeShell(
  client: WsmanClient,
  selectors: { readonly ShellId: string },
  signal: AbortSignal,
): Promise<void> {
  await client
    .send({ action: `${NS.transfer}/Delete`, resource: CMD, selectors, body: null }, signal)
    // A shell that nobody uses ends by itself after the host's idle time.
    .catch(() => undefined);
}
