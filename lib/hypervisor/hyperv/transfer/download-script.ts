/**
 * The way for hosts without a curl.exe that can do it (Windows Server 2016, early 2019): .NET fetches the file, trusting
 * the one certificate that the console made for this transfer. Windows PowerShell 5.1, which these hosts have; too short
 * a script to need a file. The check of the certificate is C#, for it runs where PowerShell has no runspace.
 */

/** Exit code for a full drive, curl's own for a file that cannot be written. */
export const NO_SPACE = 23;

/** Exit code for anything else: neither 1 nor 9009, by which cmd.exe says that there is no such program. */
const FAILED = 3;

/** PowerShell takes typographic quotes for plain ones. */
const single = (text: string): string => `'${text.replaceAll(/['\u2018\u2019\u201a\u201b]/g, "$&$&")}'`;

export interface ScriptTransfer {
  readonly url: string;
  /** File on the host that holds the header with the token: a command line is seen by others and kept in logs. */
  readonly header: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  /** Path on the host. */
  readonly path: string;
}

const CHECK =
  "using System;using System.Net.Security;using System.Security.Cryptography;" +
  "public static class Pin{public static RemoteCertificateValidationCallback Of(string f){return (s,c,h,e)=>{" +
  "using(var a=SHA256.Create())return BitConverter.ToString(a.ComputeHash(c.GetRawCertData()))" +
  '.Replace("-","").ToLowerInvariant()==f;};}}';

/** -2147024784: ERROR_DISK_FULL. */
function frame({ url, header, fingerprint }: ScriptTransfer, body: string): string {
  return `$ErrorActionPreference='Stop'
try{
Add-Type ${single(CHECK)}
[Net.ServicePointManager]::SecurityProtocol='Tls12'
[Net.ServicePointManager]::ServerCertificateValidationCallback=[Pin]::Of(${single(fingerprint)})
$r=[Net.HttpWebRequest]::Create(${single(url)})
$r.Proxy=$null
$r.Headers.Add([IO.File]::ReadAllText(${single(header)}).Trim())
$r.ReadWriteTimeout=60000
${body}
}catch{
$e=$_.Exception
[Console]::Error.WriteLine($e.Message)
while($e){if($e.HResult -eq -2147024784){exit ${NO_SPACE}};$e=$e.InnerException}
exit ${FAILED}}`;
}

/** Appends to what an earlier attempt left. */
export function fetchScript(transfer: ScriptTransfer): string {
  return frame(
    transfer,
    `$f=[IO.File]::Open(${single(transfer.path)},'OpenOrCreate')
try{$n=$f.Seek(0,'End');if($n -gt 0){$r.AddRange([long]$n)}
$a=$r.GetResponse();$a.GetResponseStream().CopyTo($f,1048576);$a.Close()}finally{$f.Close()}`,
  );
}

export function sendScript(transfer: ScriptTransfer, from: number): string {
  return frame(
    transfer,
    `$f=[IO.File]::Open(${single(transfer.path)},'Open','Read','ReadWrite')
try{$r.Method='PUT';$r.AllowWriteStreamBuffering=$false;$r.ContentLength=$f.Length-${from}
$r.Headers.Add('Content-Range',"bytes ${from}-$($f.Length-1)/$($f.Length)")
[void]$f.Seek(${from},'Begin');$o=$r.GetRequestStream();$f.CopyTo($o,1048576);$o.Close();$r.GetResponse().Close()}finally{$f.Close()}`,
  );
}

/** As powershell.exe takes it. */
export function powershell(script: string): string {
  const encoded = Buffer.from(script, "utf16le").toString("base64");
  return `powershell.exe -NoProfile -NonInteractive -EncodedCommand ${encoded}`;
}
