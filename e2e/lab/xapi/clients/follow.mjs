/** npm's xen-api over JSON-RPC: connect (also by way of a slave), object cache, events, tasks, resources in and out. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Readable } from "node:stream";

const [modulePath, url, user, password, vhdFile, xvaFile] = process.argv.slice(2);
const { createClient } = await import(modulePath);
const told = {};
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const drain = async (response) => {
  const parts = [];
  for await (const part of response.body) parts.push(part);
  return Buffer.concat(parts);
};

const xapi = createClient({ url, auth: { user, password }, allowUnauthorized: true, debounce: 10 });
await xapi.connect();
await xapi.objectsFetched;
const find = (type, name) =>
  Object.values(xapi.objects.all).find((object) => object.$type === type && object.name_label === name);
told.pool = xapi.pool.name_label;
told.srs = Object.values(xapi.objects.all).filter((object) => object.$type === "SR").length;
const vm = find("VM", "web01");
const started = new Promise((resolve) => {
  xapi.objects.on("update", (objects) => {
    for (const object of Object.values(objects)) if (object?.$ref === vm.$ref) resolve(object.power_state);
  });
});
await xapi.callAsync("VM.start", vm.$ref, false, false);
told.event = await started;
await xapi.callAsync("VM.hard_shutdown", vm.$ref);

const size = 8 * 1024 ** 2;
const disk = async (sr) =>
  xapi.call("VDI.create", {
    name_label: "by xen-api",
    name_description: "",
    SR: find("SR", sr).$ref,
    virtual_size: size,
    type: "user",
    sharable: false,
    read_only: false,
    other_config: {},
  });
const bytes = Buffer.alloc(size);
bytes.fill("xen-api ", 1024 ** 2, 2 * 1024 ** 2);
for (const sr of ["NFS storage", "Local storage of xen2"]) {
  const vdi = await disk(sr);
  // A stream with a length: it asks where to go before it sends.
  const body = Object.assign(Readable.from([bytes]), { length: size });
  await xapi.putResource(body, "/import_raw_vdi", { query: { format: "raw", vdi }, task: sr === "NFS storage" });
  const raw = await drain(await xapi.getResource("/export_raw_vdi", { query: { format: "raw", vdi } }));
  told[sr] = sha(raw) === sha(bytes);
  if (sr === "NFS storage") {
    const vhd = await xapi.getResource("/export_raw_vdi", { query: { format: "vhd", vdi } });
    writeFileSync(vhdFile, await drain(vhd));
  }
  await xapi.call("VDI.destroy", vdi);
}
const xva = await drain(await xapi.getResource("/export", { query: { ref: vm.$ref } }));
writeFileSync(xvaFile, xva);
const task = await xapi.createTask("import of a VM");
const imported = await xapi.putResource(xva, "/import", { query: { sr_id: find("SR", "NFS storage").$ref }, task });
told.imported = (await xapi.call("VM.get_record", imported[0])).name_label;
const [vbd] = (await xapi.call("VM.get_record", imported[0])).VBDs;
const copy = await xapi.call("VBD.get_VDI", vbd);
const original = vm.$VBDs.find((each) => each.type === "Disk").VDI;
const read = async (vdi) =>
  sha(await drain(await xapi.getResource("/export_raw_vdi", { query: { format: "raw", vdi } })));
told.sameDisk = (await read(copy)) === (await read(original));
await xapi.call("VDI.destroy", copy);
await xapi.call("VM.destroy", imported[0]);
await xapi.disconnect();
process.stdout.write(JSON.stringify(told));
process.exit(0);
