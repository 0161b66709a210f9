/** The endpoint that the other tests trust, held against clients that we did not write: govc and pyvmomi. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startProxy, type VsphereProxy } from "#e2e/lab/vmware/proxy.ts";
import { startVcsim, vcsimProgram, whyNoVcsim, type Vcsim } from "#e2e/lab/vmware/vcsim.ts";

const reason = whyNoVcsim();
const noPyvmomi =
  spawnSync("/usr/bin/python3", ["-c", "import pyVmomi"]).status === 0 ? null : "python3-pyvmomi is not installed";
const MiB = 1024 ** 2;
const SIZE = 24 * MiB;
const SCRIPT = join(import.meta.dirname, "../../../e2e/lab/vmware/export_import.py");

const run = promisify(execFile);
/** The proxy answers in this process: nothing here may block it. */
const compare = async (a: string, b: string) =>
  (await run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", a, b])).stdout;

function ovf(name: string, file: string, bytes: number): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References><File ovf:href="${file}" ovf:id="file1" ovf:size="${bytes}"/></References>
  <DiskSection><Info>Disks</Info><Disk ovf:capacity="${SIZE / MiB}" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <VirtualSystem ovf:id="${name}"><Info>A VM</Info><Name>${name}</Name>
    <OperatingSystemSection ovf:id="36" vmw:osType="otherLinux64Guest"><Info>Guest</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info><System><vssd:ElementName>h</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
      <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>scsi0</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk0</rasd:ElementName><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>`;
}

describe.skipIf(reason !== null)(`the vSphere of the tests${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let vcsim: Vcsim;
  let proxy: VsphereProxy;
  const folder = mkdtempSync(join(tmpdir(), "supravisor-vsphere-test-"));
  const raw = join(folder, "disk.raw");
  const vmdk = join(folder, "disk.vmdk");

  beforeAll(async () => {
    vcsim = await startVcsim({ kind: "vpx", vms: 1 });
    proxy = await startProxy(vcsim);
    const bytes = Buffer.alloc(SIZE);
    for (let at = 0; at < SIZE; at += 3 * MiB) bytes.fill(`bytes at ${at} `, at, at + MiB);
    writeFileSync(raw, bytes);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk]);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await vcsim.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const govc = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(vcsimProgram("govc"), args, {
      timeout: 60_000,
      env: {
        ...process.env,
        GOVC_URL: `https://127.0.0.1:${proxy.port}/sdk`,
        GOVC_USERNAME: proxy.user,
        GOVC_PASSWORD: proxy.password,
        GOVC_TLS_CA_CERTS: join(folder, "ca.pem"),
        GOVC_PERSIST_SESSION: "false",
      },
    });
    return stdout;
  };
  const python = async (...args: string[]): Promise<string> =>
    (
      await run("/usr/bin/python3", [SCRIPT, String(proxy.port), proxy.user, proxy.password, ...args], {
        timeout: 60_000,
      })
    ).stdout;

  it("takes an OVF from govc and gives it back, bit for bit, under a certificate that govc verifies", async () => {
    writeFileSync(join(folder, "ca.pem"), proxy.certificate().ca);
    writeFileSync(join(folder, "disk.ovf"), ovf("from-govc", "disk.vmdk", readFileSync(vmdk).length));
    await govc(
      "import.ovf",
      "-ds",
      "LocalDS_0",
      "-pool",
      "DC0_C0/Resources",
      "-name",
      "from-govc",
      join(folder, "disk.ovf"),
    );
    const stored = await proxy.path("[LocalDS_0] from-govc/disk-0-flat.vmdk");
    expect(await compare(stored, vmdk)).toContain("Images are identical");
    await govc("export.ovf", "-vm", "from-govc", folder);
    expect(await compare(raw, join(folder, "from-govc", "from-govc-disk-0.vmdk"))).toContain("Images are identical");
    expect(proxy.openLeases()).toBe(0);
  });

  it.skipIf(noPyvmomi !== null)("takes a disk from pyvmomi and gives it back, bit for bit", async () => {
    await python("import", "from-pyvmomi", vmdk, String(SIZE));
    await python("export", "from-pyvmomi", join(folder, "back.vmdk"));
    expect(await compare(raw, join(folder, "back.vmdk"))).toContain("Images are identical");
  });

  it("lets nobody into a datastore without a session, and everybody with one", async () => {
    await govc("datastore.upload", "-ds", "LocalDS_0", raw, "up/disk-flat.vmdk");
    await govc("datastore.download", "-ds", "LocalDS_0", "up/disk-flat.vmdk", join(folder, "down.raw"));
    expect(readFileSync(join(folder, "down.raw")).equals(readFileSync(raw))).toBe(true);
    const url = `https://127.0.0.1:${proxy.port}/folder/up/disk-flat.vmdk?dcPath=DC0&dsName=LocalDS_0`;
    const status = await run("curl", ["-sk", "-o", "/dev/null", "-w", "%{http_code}", url]);
    expect(status.stdout).toBe("401");
    const part = await run("curl", ["-sk", "-r", "3145728-3145735", "-u", `${proxy.user}:${proxy.password}`, url]);
    expect(part.stdout).toBe("bytes at");
  });

  it("drops a disk that is broken, and an import that was given up", async () => {
    writeFileSync(join(folder, "cut.vmdk"), readFileSync(vmdk).subarray(0, 70_000));
    await expect(python("import", "cut-off", join(folder, "cut.vmdk"), String(SIZE))).rejects.toThrow();
    expect(await govc("find", "/", "-type", "m", "-name", "cut-off")).toBe("");
  });
});
