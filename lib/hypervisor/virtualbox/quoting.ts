/** Arguments that arrive as they were given, whatever stands in them. */
import { AppError } from "#lib/errors.ts";
import { posixWord } from "#lib/wire/ssh/posix-word.ts";

export function posixCommand(
  environment: Readonly<Record<string, string>>,
  program: string,
  args: readonly string[],
): string {
  const variables = Object.entries(environment).map(([name, value]) => posixWord(`${name}=${value}`));
  return ["env", ...variables, ...[program, ...args].map(posixWord)].join(" ");
}

/**
 * A Windows command line that the C runtime takes apart into these arguments again (Microsoft: "Parsing C command-line
 * arguments"): backslashes are doubled only before a quote.
 */
export function windowsCommandLine(args: readonly string[]): string {
  return args
    .map((arg) => {
      const escaped = arg.replaceAll(/(\\*)"/g, '$1$1\\"');
      return arg !== "" && !/\s/.test(arg) ? escaped : `"${escaped.replace(/(\\+)$/, "$1$1")}"`;
    })
    .join(" ");
}

/** Longest command line that cmd.exe takes. */
const CMD_LENGTH = 8191;

const powerShellText = (text: string): string => `'${text.replaceAll(/['\u2018\u2019\u201a\u201b]/g, "$&$&")}'`;

/** A script for a Windows host whose login shell is cmd.exe or PowerShell: neither finds anything in it to interpret. */
export function encodedPowerShell(script: string): string {
  const text = Buffer.from(script, "utf16le").toString("base64");
  const command = `powershell.exe -NoLogo -NoProfile -NonInteractive -EncodedCommand ${text}`;
  if (command.length > CMD_LENGTH) {
    throw new AppError("unprocessable", "host.refused", "The command is too long for a Windows host.", {
      hint: "Shorten the VM's name or description.",
      details: { length: command.length, limit: CMD_LENGTH },
    });
  }
  return command;
}

/**
 * Runs a program with exactly these arguments; its output comes as UTF-8, its exit code is the command's. VBoxManage
 * writes into pipes in the ANSI code page, which is what `Default` means in the PowerShell that Windows has.
 */
export function windowsProgram(program: string, args: readonly string[]): string {
  return encodedPowerShell(
    [
      "$ProgressPreference='SilentlyContinue'",
      "$u=[Text.UTF8Encoding]::new($false)",
      "[Console]::OutputEncoding=$u",
      `$i=[Diagnostics.ProcessStartInfo]::new(${powerShellText(program)},${powerShellText(windowsCommandLine(args))})`,
      "$i.UseShellExecute=$false",
      "$i.RedirectStandardOutput=$true",
      "$i.RedirectStandardError=$true",
      "$a=[Text.Encoding]::Default",
      "$i.StandardOutputEncoding=$a",
      "$i.StandardErrorEncoding=$a",
      "$p=[Diagnostics.Process]::Start($i)",
      "$e=$p.StandardError.ReadToEndAsync()",
      "[Console]::Out.Write($p.StandardOutput.ReadToEnd())",
      "[Console]::Error.Write($e.Result)",
      "$p.WaitForExit()",
      "exit $p.ExitCode",
    ].join(";"),
  );
}

/** Free and whole bytes of the volume that a folder lies on, on one line. */
export function windowsSpace(folder: string): string {
  return encodedPowerShell(
    `$d=[IO.DriveInfo]::new([IO.Path]::GetPathRoot(${powerShellText(folder)}));"$($d.AvailableFreeSpace) $($d.TotalSize)"`,
  );
}

/** The folder that VirtualBox was installed in; an empty line when it is not. */
export function windowsInstallFolder(): string {
  return encodedPowerShell(
    "[Console]::OutputEncoding=[Text.UTF8Encoding]::new($false);[Environment]::GetEnvironmentVariable('VBOX_MSI_INSTALL_PATH','Machine')",
  );
}
