/** The simulator that stands for XenServer in tests is right as far as clients of other people get along with it. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  runFence,
  runPython,
  runXenApi,
  whyNoFenceAgent,
  whyNoPythonClient,
  whyNoXvaImg,
  xenApiModule,
} from "#e2e/lab/xapi/clients/clients.ts";
import { whyNoXapi, XapiSimulator } from "#e2e/lab/xapi/simulator.ts";

const run = promisify(execFile);
const reason = whyNoXapi();
const xenApi = xenApiModule();
const because = (why: string | null) => (why === null ? "" : ` (skipped: ${why})`);

describe.skipIf(reason !== null)(`the XenAPI simulator${because(reason)}`, () => {
  let lab: XapiSimulator;
  let folder: string;
  const at = (index: number) => `https://${lab.members[index]!.address}:${lab.port}`;

  beforeAll(async () => {
    lab = await XapiSimulator.start();
    folder = mkdtempSync(join(tmpdir(), "supravisor-xapi-clients-"));
  });
  afterAll(() => {
    lab.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.skipIf(whyNoPythonClient() !== null)(`satisfies Debian's XenAPI.py${because(whyNoPythonClient())}`, async () => {
    const [vhd, raw] = [join(folder, "p.vhd"), join(folder, "p.raw")];
    const certificate = lab.members[0]!.certificateFile;
    const xvas = [join(folder, "off.xva"), join(folder, "snapshot.xva")];
    const told: unknown = JSON.parse(
      await runPython(certificate, at(0), lab.user, lab.password, "NFS storage", "by python", vhd, raw, ...xvas),
    );
    expect(told).toMatchObject({
      wrong: "SESSION_AUTHENTICATION_FAILED",
      version: "2.21",
      pool: "Lab pool",
      vms: ["web01"],
      memory: String(1024 ** 3),
      event: [["vm", "mod", "Running"]],
      task: "success",
      twice: "VM_BAD_POWER_STATE",
      tools: "VM_MISSING_PV_DRIVERS",
      put: 200,
      import: "success",
      chunked: 403,
      refused: "failure",
      same: true,
      used: true,
      xva: [200, "success"],
      running: [500, "failure"],
      snapshot: [200, "success"],
      alike: true,
    });
    await run("qemu-img", ["compare", "-f", "vpc", "-F", "raw", vhd, raw]);
  });

  it.skipIf(xenApi.why !== null)(
    `satisfies npm's xen-api, from a slave's address too${because(xenApi.why)}`,
    async () => {
      for (const member of [0, 1]) {
        const [vhd, xva] = [join(folder, `${member}.vhd`), join(folder, `${member}.xva`)];
        const certificate = lab.members[0]!.certificateFile;
        const told: unknown = JSON.parse(
          await runXenApi(certificate, xenApi.path ?? "", at(member), lab.user, lab.password, vhd, xva),
        );
        expect(told).toEqual({
          pool: "Lab pool",
          srs: 5,
          event: "Running",
          "NFS storage": true,
          "Local storage of xen2": true,
          imported: "web01",
          sameDisk: true,
        });
        const { stdout } = await run("qemu-img", ["info", "--output=json", "-f", "vpc", vhd]);
        expect(JSON.parse(stdout)).toMatchObject({ format: "vpc", "virtual-size": 8 * 1024 ** 2 });
      }
    },
  );

  it.skipIf(whyNoFenceAgent() !== null)(`satisfies fence_xenapi${because(whyNoFenceAgent())}`, async () => {
    const certificate = lab.members[0]!.certificateFile;
    const fence = (...more: string[]) =>
      runFence(
        certificate,
        "-s",
        at(0),
        "-l",
        lab.user,
        "-p",
        lab.password,
        "-n",
        "web01",
        "--login-timeout=5",
        ...more,
      );
    expect(await fence("-o", "list")).toContain("web01");
    expect(await fence("-o", "on")).toContain("Success");
    expect(await fence("-o", "status")).toContain("ON");
    expect(await fence("-o", "off")).toContain("Success");
    await expect(
      runFence(certificate, "-s", at(0), "-l", lab.user, "-p", "wrong", "-n", "web01", "-o", "list"),
    ).rejects.toThrow();
  });

  it.skipIf(xenApi.why !== null || whyNoXvaImg() !== null)(
    `makes appliances that xva-img opens${because(whyNoXvaImg())}`,
    async () => {
      const inside = join(folder, "xva");
      await run("mkdir", [inside]);
      await run("tar", ["-x", "-C", inside, "-f", join(folder, "0.xva")]);
      const { stdout } = await run("sh", ["-c", "ls -d Ref:*"], { cwd: inside });
      const disk = join(folder, "disk.raw");
      await run("xva-img", ["-p", "disk-export", join(inside, stdout.trim()), disk]);
      expect(statSync(disk).size).toBe(64 * 1024 ** 2);
    },
  );
});
