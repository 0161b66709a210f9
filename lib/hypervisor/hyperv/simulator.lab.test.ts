/** Clients that others wrote get along with the simulated Hyper-V host: only then does it say anything about our adapter. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";

const run = promisify(execFile);
const CLIENTS = ["/usr/bin/winrmcp", "/usr/bin/wslenum", "/usr/bin/wslget", "/usr/bin/wslput"];
const PYTHON = "/usr/lib/python3/dist-packages/winrm/__init__.py";

const missing = [...CLIENTS, PYTHON].find((path) => !existsSync(path));
const reason = whyNoHyperv() ?? (missing === undefined ? null : `${missing} is not installed`);

describe.skipIf(reason !== null)(`the simulated Hyper-V host${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let host: HypervSimulator;
  let folder: string;

  beforeAll(async () => {
    host = await HypervSimulator.start();
    folder = mkdtempSync(join(tmpdir(), "supravisor-winrm-"));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is signed in to by python3-winrm: Basic, NTLM bound to the certificate, NTLM with sealed messages", async () => {
    // Python takes MD4 from OpenSSL, which has put it aside.
    const legacy = join(folder, "openssl.cnf");
    writeFileSync(
      legacy,
      "openssl_conf = init\n[init]\nproviders = sect\n[sect]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n",
    );
    const { stdout } = await run(
      "/usr/bin/python3",
      [
        join(import.meta.dirname, "../../../e2e/lab/hyperv/clients/python-winrm.py"),
        `http://127.0.0.1:${host.httpPort}/wsman`,
        `https://127.0.0.1:${host.httpsPort}/wsman`,
        host.certificateFile,
        host.user,
        host.password,
      ],
      { env: { ...process.env, OPENSSL_CONF: legacy }, timeout: 60_000 },
    );
    const good = { host: "HV-LAB", code: 0, unknown: 1, "wrong password": "refused" };
    expect(JSON.parse(stdout)).toEqual({ "basic over https": good, "ntlm over https": good, "ntlm, sealed": good });
  });

  it("takes a file from winrmcp", async () => {
    const path = join(folder, "file.bin");
    writeFileSync(path, randomBytes(20_000));
    await run(
      "winrmcp",
      [
        ...["-https", "-insecure", `-addr=127.0.0.1:${host.httpsPort}`, `-user=${host.user}`, `-pass=${host.password}`],
        ...[path, "C:\\file.bin"],
      ],
      { timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
    );
    expect(readFileSync(host.jail.local("C:\\file.bin") ?? "").equals(readFileSync(path))).toBe(true);
  });

  const wsl = async (program: string, ...args: string[]): Promise<string> => {
    const { stdout } = await run(`/usr/bin/${program}`, args, {
      cwd: folder,
      timeout: 30_000,
      killSignal: "SIGKILL",
      env: {
        ...process.env,
        WSENDPOINT: `127.0.0.1:${host.httpsPort}`,
        WSUSER: host.user,
        WSPASS: host.password,
        WSDEFAULTSCHEMA: "schemas.microsoft.com",
      },
    });
    return stdout;
  };
  const CIM = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

  it("is enumerated and read by the wsl command line", async () => {
    const drives = await wsl("wslenum", `${CIM}/Win32_LogicalDisk`);
    expect(drives.match(/<p:DeviceID>[CD]:<\/p:DeviceID>/g)).toHaveLength(2);
    expect(await wsl("wslget", `${CIM}/Win32_LogicalDisk`, "DeviceID=D:")).toContain(
      "<p:VolumeName>VMs</p:VolumeName>",
    );
  });

  it("is changed by the wsl command line, by a whole instance and by a fragment of one", async () => {
    for (const [words, label] of [
      [[], "by wslput"],
      [["-fragment"], "by a fragment"],
    ] as const) {
      const drive = ["-filter", "SELECT * FROM Win32_LogicalDisk WHERE DeviceID = 'D:'"];
      // It looks for the answer to a method in that to a Put, so that it never calls it a success: what it prints counts.
      const answer = await wsl("wslput", `${CIM}/Win32_LogicalDisk`, `VolumeName=${label}`, ...drive, ...words).catch(
        (error: { stdout: string }) => error.stdout,
      );
      expect(answer).toContain(`<p:VolumeName>${label}</p:VolumeName>`);
      const volume = (id: string) =>
        host.store.where("Win32_LogicalDisk", (values) => values["DeviceID"] === id)[0]?.values;
      expect(volume("D:")).toMatchObject({ VolumeName: label, FileSystem: "ReFS", DriveType: 3 });
      expect(volume("C:")).toMatchObject({ VolumeName: "System" });
    }
    const refused = await wsl("wslput", `${CIM}/Win32_LogicalDisk`, "NoSuch=1", "-fragment").catch(
      (error: { stdout: string }) => error.stdout,
    );
    expect(refused).toContain("SchemaValidationError");
  });

  it("is told what to do by the wsl command line", async () => {
    const answer = await wsl(
      "wslinvoke",
      "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/Msvm_ImageManagementService",
      "GetVirtualHardDiskState",
      "Path=D:\\none.vhdx",
    );
    expect(answer).toMatch(/ReturnValue>32768</);
  });
});
