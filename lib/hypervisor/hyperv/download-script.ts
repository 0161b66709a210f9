/**
 * The way for hosts without curl.exe (Windows Server 2016): .NET fetches the file, trusting the one certificate that the
 * console made for this transfer. Windows PowerShell 5.1, which these hosts have; too short a script to need a file.
 */

const single = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export interface ScriptTransfer {
  readonly url: string;
  readonly token: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  /** Path on the host. */
  readonly path: string;
}

function frame({ url, token, fingerprint }: ScriptTransfer, body: string): string {
  return `$ErrorActionPreference='Stop'
[Net.ServicePointManager]::SecurityProtocol='Tls12'
$sha=[Security.Cryptography.SHA256]::Create()
[Net.ServicePointManager]::ServerCertificateValidationCallback={param($s,$c,$h,$e) -join($sha.ComputeHash($c.GetRawCertData())|%{$_.ToString('x2')}) -eq ${single(fingerprint)}}
$r=[Net.HttpWebRequest]::Create(${single(url)})
$r.Headers.Add('Authorization',${single(`Bearer ${token}`)})
$r.ReadWriteTimeout=60000
${body}`;
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
