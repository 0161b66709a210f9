import { createHash } from "node:crypto";
import { zstdCompressSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { openDisk } from "../../open-disk.ts";
import { type ArchiveFiles, folderImage, tarImage } from "../../testing/archives.ts";
import type { ImageFile } from "../../io.ts";
import type { MachineChoice, OpenedContainer } from "../container.ts";
import { openContainer } from "../open.ts";

const MIB = 1024 ** 2;
const disk = (seed: number): Buffer => Buffer.alloc(MIB, `bytes of disk ${seed} `);
const CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";

interface ItemText {
  readonly type: number;
  readonly id?: number;
  readonly of?: string;
  readonly [field: string]: string | number | undefined;
}

/** Fields by their name in CIM; `of` is the configurations' attribute, `bound` another. */
function item({ type, id, of, bound, ...rest }: ItemText): string {
  const fields = Object.entries({ InstanceID: id, ResourceType: type, ...rest }).filter(
    ([, value]) => value !== undefined,
  );
  const attributes = `${of === undefined ? "" : ` ovf:configuration="${of}"`}${bound === undefined ? "" : ` ovf:bound="${bound}"`}`;
  return `<Item${attributes}>${fields.map(([name, value]) => `<rasd:${name}>${value}</rasd:${name}>`).join("")}</Item>`;
}

const drive = (name: string, more: Omit<ItemText, "type"> = {}): string =>
  item({ type: 17, HostResource: `ovf:/disk/${name}`, ...more });
const system = (id: string, items: string, more = ""): string =>
  `<VirtualSystem ovf:id="${id}"><Info/><Name>${id}</Name><VirtualHardwareSection><Info/>${items}</VirtualHardwareSection>${more}</VirtualSystem>`;

interface DiskText {
  readonly href?: string;
  readonly file?: string;
  readonly disk?: string;
}

function envelope(disks: Readonly<Record<string, DiskText>>, systems: string, before = ""): string {
  const all = Object.entries(disks);
  const files = all
    .filter(([, { href }]) => href !== undefined)
    .map(([id, { href, file = "" }]) => `<File ovf:id="f-${id}" ovf:href="${href}" ${file}/>`);
  const listed = all.map(
    ([id, { href, disk: text = `ovf:capacity="${MIB}"` }]) =>
      `<Disk ovf:diskId="${id}" ${href === undefined ? "" : `ovf:fileRef="f-${id}"`} ${text}/>`,
  );
  return `<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="${CIM}">
<References>${files.join("")}</References><DiskSection><Info/>${listed.join("")}</DiskSection>${before}${systems}</Envelope>`;
}

const raw = (...names: string[]): Record<string, DiskText> =>
  Object.fromEntries(names.map((name) => [name, { href: `${name}.raw` }]));
const raws = (...names: string[]): ArchiveFiles => Object.fromEntries(names.map((name, i) => [`${name}.raw`, disk(i)]));

async function opened<T>(
  image: ImageFile,
  use: (container: OpenedContainer) => T | Promise<T>,
  choice: MachineChoice = {},
) {
  await using container = await openContainer(image, undefined, choice);
  if (container === null) throw new Error("no package");
  return await use(container);
}
const entries = ({ disks }: OpenedContainer): string[] => disks.map(({ entry }) => entry.replace(".raw", ""));
const orderOf = (items: string, ...names: string[]): Promise<string[]> =>
  opened(tarImage("a.ova", { "a.ovf": envelope(raw(...names), system("w", items)), ...raws(...names) }), entries);

describe("disks in the machine's order", () => {
  it("by the place on the controller, whatever the order of the items", async () => {
    const scsi = item({ type: 6, id: 4 });
    const both = drive("b", { Parent: "4", AddressOnParent: 1 }) + drive("a", { Parent: "4", AddressOnParent: 0 });
    expect(await orderOf(scsi + both, "a", "b")).toEqual(["a", "b"]);
    expect(await orderOf(both + scsi, "b", "a")).toEqual(["a", "b"]);
  });

  it("by the controller's number, then by its kind; places are numbers", async () => {
    const items =
      drive("d", { Parent: "21", AddressOnParent: 10 }) +
      drive("c", { Parent: "21", AddressOnParent: 9 }) +
      drive("b", { Parent: "20", AddressOnParent: 3 }) +
      drive("a", { Parent: "5", AddressOnParent: 1 });
    const controllers =
      item({ type: 6, id: 21, Address: 1 }) + item({ type: 6, id: 20, Address: 0 }) + item({ type: 5, id: 5 });
    expect(await orderOf(controllers + items, "a", "b", "c", "d")).toEqual(["a", "b", "c", "d"]);
  });

  it("places that are missing come after those that are told, in the order of the items", async () => {
    const items =
      drive("c", { Parent: "4" }) + drive("b", { Parent: "4" }) + drive("a", { Parent: "4", AddressOnParent: 0 });
    expect(await orderOf(item({ type: 6, id: 4 }) + items, "a", "b", "c")).toEqual(["a", "c", "b"]);
  });

  it("the disk that vSphere boots from is the first", async () => {
    const items =
      drive("a", { id: 11, Parent: "4", AddressOnParent: 0 }) + drive("b", { id: 12, Parent: "4", AddressOnParent: 1 });
    const boot = '<vmw:BootOrderSection xmlns:vmw="v" vmw:instanceId="12" vmw:type="disk"/>';
    const text = envelope(raw("a", "b"), system("w", item({ type: 6, id: 4 }) + items, boot));
    expect(await opened(tarImage("a.ova", { "a.ovf": text, ...raws("a", "b") }), entries)).toEqual(["b", "a"]);
  });

  it("a drive that names a file without a disk of its own", async () => {
    const text = envelope(raw("a"), system("w", item({ type: 17, HostResource: "ovf:/file/f-x" }))).replace(
      "</References>",
      '<File ovf:id="f-x" ovf:href="x.raw"/></References>',
    );
    await opened(tarImage("a.ova", { "a.ovf": text, ...raws("a", "x") }), (container) => {
      expect(entries(container)).toEqual(["x", "a"]);
      expect(container.notes.join()).toMatch(/a is on no controller/);
    });
  });
});

describe("configurations", () => {
  const options = (marked: string) =>
    `<DeploymentOptionSection><Info/>${["tiny", "large"]
      .map(
        (id) =>
          `<Configuration ovf:id="${id}" ${id === marked ? 'ovf:default="true"' : ""}><Label>${id} one</Label></Configuration>`,
      )
      .join("")}</DeploymentOptionSection>`;
  const items =
    item({ type: 3, id: 1, VirtualQuantity: 2 }) +
    item({ type: 3, id: 1, of: "large", VirtualQuantity: 16 }) +
    item({ type: 3, id: 1, of: "large", bound: "min", VirtualQuantity: 8 }) +
    item({ type: 4, id: 2, of: "tiny large", AllocationUnits: "byte * 2^20", VirtualQuantity: 512 }) +
    drive("a") +
    drive("b", { of: "tiny" }) +
    drive("c", { of: "large" });
  const image = (marked: string) =>
    tarImage("a.ova", {
      "a.ovf": envelope(raw("a", "b", "c"), system("w", items), options(marked)),
      ...raws("a", "b", "c"),
    });

  it("the default is read, and the others are named", async () => {
    await opened(image("large"), (container) => {
      expect(container).toMatchObject({ hints: { cpus: 16, memory: 512 * MIB }, details: { configuration: "large" } });
      expect(entries(container)).toEqual(["a", "c"]);
      expect(container.notes.join()).toMatch(/configuration large, its default\. It also has tiny \(tiny one\)/);
    });
    // None is marked: the first.
    await opened(image(""), (container) => {
      expect(container.hints.cpus).toBe(2);
      expect(entries(container)).toEqual(["a", "b"]);
    });
  });

  it("another one by its name", async () => {
    await opened(image("large"), (container) => expect(entries(container)).toEqual(["a", "b"]), {
      configuration: "tiny",
    });
    await expect(opened(image("large"), () => null, { configuration: "huge" })).rejects.toMatchObject({
      code: "image.no-such-configuration",
      hint: "It has tiny (tiny one), large (large one)",
    });
  });
});

describe("several machines", () => {
  const systems =
    system("db", item({ type: 3, VirtualQuantity: 4 }) + drive("b")) +
    system("app", item({ type: 3, VirtualQuantity: 1 }) + drive("a"));
  const image = () =>
    tarImage("two.ova", {
      "two.ovf": envelope(
        raw("a", "b"),
        `<VirtualSystemCollection ovf:id="c"><Info/>${systems}</VirtualSystemCollection>`,
      ),
      ...raws("a", "b"),
    });

  it("are never taken for one", async () => {
    await opened(image(), (container) => {
      expect(container).toMatchObject({ machine: null, undecided: ["db", "app"], hints: { cpus: null } });
      expect(container.disks.map(({ label }) => label)).toEqual(["b.raw of db", "a.raw of app"]);
    });
    await expect(openDisk(image())).rejects.toMatchObject({
      code: "image.machine-unsaid",
      hint: "Say which one. 1: db, 2: app",
    });
  });

  it("each by its name or number, with its own disks", async () => {
    for (const machine of ["app", "2"])
      await opened(
        image(),
        (container) => {
          expect(container).toMatchObject({ machine: "app", undecided: [], hints: { cpus: 1 } });
          expect(entries(container)).toEqual(["a"]);
        },
        { machine },
      );
    await using found = await openDisk(image(), { machine: "db" });
    expect(found.facts.details["entry"]).toBe("b.raw");
    await expect(openDisk(image(), { machine: "web" })).rejects.toMatchObject({ code: "image.no-such-machine" });
  });

  it("a disk of either is found by its name without more words", async () => {
    await using found = await openDisk(image(), { disk: "a.raw" });
    expect(found.facts.details["entry"]).toBe("a.raw");
  });
});

describe("files of the package", () => {
  const text = envelope(raw("a"), system("w", drive("a")));
  const digest = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

  it("what macOS and tar add, folders, ./ and any order", async () => {
    const apple = Buffer.from("\0\x05\x16\x07 Mac OS X");
    for (const files of [
      { "./._a.ovf": apple, "./a.ovf": text, "./._a.raw": apple, "./a.raw": disk(1) },
      { "a.raw": disk(1), "PaxHeaders.12/a.ovf": "30 mtime=1\n", "a.ovf": text, ".DS_Store": "x" },
      { "vm/a.raw": disk(1), "vm/a.ovf": text, "__MACOSX/vm/._a.ovf": apple },
      Object.fromEntries([
        ...Array.from({ length: 100 }, (_, i) => [`m${i}.msg`, "x"]),
        ["a.ovf", text],
        ["a.raw", disk(1)],
      ]),
    ] as ArchiveFiles[]) {
      await using found = await openDisk(tarImage("a.ova", files));
      expect(found.facts).toMatchObject({ format: "raw", virtualSize: MIB, details: { entry: "a.raw" } });
    }
    const deep = envelope({ a: { href: "disks/a.raw" } }, system("w", drive("a")));
    expect(await opened(tarImage("a.ova", { "a.ovf": deep, "disks/a.raw": disk(1) }), entries)).toEqual(["disks/a"]);
    await expect(opened(folderImage("a.ovf", { "a.ovf": deep }), () => null)).rejects.toMatchObject({
      code: "image.path-escapes",
    });
  });

  it("names in other letters, and an ISO that is somewhere else", async () => {
    const iso =
      '<File ovf:id="iso" ovf:href="https://host/tools.iso"/><File ovf:id="nv" ovf:href="w.nvram"/></References>';
    const image = tarImage("a.ova", {
      "a.ovf": text.replace("</References>", iso),
      "A.RAW": disk(1),
      "w.nvram": "x",
      "README.txt": "y",
    });
    await opened(image, ({ notes }) => {
      expect(notes.join("\n")).toMatch(/tools\.iso is no disk, and is not there/);
      expect(notes.join("\n")).toMatch(/w\.nvram is no disk and was left aside/);
      expect(notes.join("\n")).toMatch(/does not name README\.txt: left aside/);
    });
  });

  it("what the manifest does not list, and a signature, are not silently taken for verified", async () => {
    const mf = `SHA2-256(a.ovf)= ${digest(text)}\n`;
    await opened(tarImage("a.ova", { "a.ovf": text, "a.mf": mf, "a.raw": disk(1), "a.cert": "PEM" }), ({ notes }) => {
      expect(notes).toContain("The manifest does not list a.raw: it was not verified.");
      expect(notes.join()).toMatch(/signature of the package \(a\.cert\) was not checked/);
    });
    const wrong = `SHA256(./a.raw)= ${"0".repeat(64)}\n`;
    await using found = await openDisk(tarImage("a.ova", { "a.ovf": text, "./a.mf": wrong, "a.raw": disk(1) }), {
      check: true,
    });
    await expect(found.verify?.()).rejects.toMatchObject({ code: "image.manifest-mismatch" });
    // Every digest of a file is compared, not one of them.
    const both = `SHA256(a.raw)= ${digest(disk(1))}\nSHA1(a.raw)= ${"0".repeat(40)}\n`;
    await using twice = await openDisk(tarImage("a.ova", { "a.ovf": text, "a.mf": both, "a.raw": disk(1) }), {
      check: true,
    });
    await expect(twice.verify?.()).rejects.toMatchObject({
      code: "image.manifest-mismatch",
      details: { promised: "0".repeat(40) },
    });
  });
});

describe("what the descriptor says wrongly of a file", () => {
  const packed = { gzip: gzipSync(disk(0)), zstd: zstdCompressSync(disk(0)) };
  const read = (disks: Record<string, DiskText>, files: ArchiveFiles) =>
    openDisk(tarImage("a.ova", { "a.ovf": envelope(disks, system("w", drive("a"))), ...files }));

  it.each(["gzip", "zstd"] as const)("it is %s, and nobody said so", async (packing) => {
    const name = `a.raw.${packing === "gzip" ? "gz" : "zst"}`;
    await using found = await read({ a: { href: name } }, { [name]: packed[packing] });
    expect(found.facts).toMatchObject({ format: "raw", virtualSize: MIB });
    expect(found.facts.notes.join()).toMatch(/does not say so/);
  });

  it("it is said to be gzip and is not", async () => {
    await using found = await read({ a: { href: "a.raw", file: 'ovf:compression="gzip"' } }, { "a.raw": disk(0) });
    expect(found.facts.notes.join()).toMatch(/says that a\.raw is packed \(gzip\), which it is not/);
  });

  it("a raw disk that begins as a gzip file does is raw", async () => {
    const bytes = disk(0);
    packed.gzip.copy(bytes, 0, 0, 64);
    await using found = await read({ a: { href: "a.img" } }, { "a.img": bytes });
    expect(found.facts).toMatchObject({ format: "raw", virtualSize: MIB });
  });

  it("another size: a note, but a raw disk that lost its end is cut off", async () => {
    await using found = await read({ a: { href: "a.raw", file: 'ovf:size="5"' } }, { "a.raw": disk(0) });
    expect(found.facts.notes.join()).toMatch(/says 5 bytes for the file a\.raw, which has 1048576/);
    await expect(
      read({ a: { href: "a.raw", file: `ovf:size="${2 * MIB}"` } }, { "a.raw": disk(0) }),
    ).rejects.toMatchObject({
      code: "image.truncated",
    });
    const chunks = { "a.raw.000000000": disk(0).subarray(0, MIB / 2) };
    const file = `ovf:size="${MIB}" ovf:chunkSize="${MIB / 2}"`;
    await expect(read({ a: { href: "a.raw", file } }, chunks)).rejects.toMatchObject({ code: "image.truncated" });
  });

  it.each([
    ["byte * 2^20", "1"],
    ["byte*1024*1024", "1"],
    ["MegaBytes", "1"],
    ["KB", "1024"],
    ["byte", String(MIB)],
  ])("a capacity in %s", async (units, capacity) => {
    const text = `ovf:capacity="${capacity}" ovf:capacityAllocationUnits="${units}"`;
    await using found = await read({ a: { href: "a.raw", disk: text } }, raws("a"));
    expect(found.facts.notes).toEqual([]);
  });

  it("a capacity that is a property of the machine, and one that is another than the disk's", async () => {
    const property =
      '<ProductSection ovf:class="vm"><Info/><Property ovf:key="size" ovf:type="uint32" ovf:value="7"/></ProductSection>';
    const text = envelope(
      { a: { disk: 'ovf:capacity="${vm.size}" ovf:capacityAllocationUnits="byte * 2^30"' } },
      system("w", drive("a"), property),
    );
    await opened(tarImage("a.ova", { "a.ovf": text }), ({ disks }) => expect(disks[0]?.capacity).toBe(7 * 2 ** 30));
    await using found = await read({ a: { href: "a.raw", disk: 'ovf:capacity="7"' } }, raws("a"));
    expect(found.facts.notes.join()).toMatch(/says 7 bytes for a\.raw, the disk has 1048576/);
  });
});

describe("the descriptor's text", () => {
  const text = envelope(raw("a"), system("größe", drive("a")));
  const nameIn = (bytes: Uint8Array): Promise<string | null> =>
    opened(tarImage("a.ova", { "a.ovf": bytes, ...raws("a") }), ({ machine }) => machine);
  const declared = (encoding: string) => text.replace('version="1.0"', `version="1.0" encoding="${encoding}"`);

  it("in any usual encoding", async () => {
    const little = Buffer.from(`\ufeff${declared("UTF-16")}`, "utf16le");
    for (const bytes of [
      Buffer.from(`\ufeff${text}`),
      Buffer.from(declared("ISO-8859-1"), "latin1"),
      Buffer.from(declared("windows-1252"), "latin1"),
      little,
      little.subarray(2),
      Buffer.from(little).swap16(),
    ])
      expect(await nameIn(bytes)).toBe("größe");
    const folder = folderImage("a.ovf", { "a.ovf": little, ...raws("a") });
    expect(await opened(folder, ({ machine }) => machine)).toBe("größe");
  });

  it("with licences, comments and prefixes of its own", async () => {
    const eula = (content: string) =>
      text.replace(
        "</VirtualSystem>",
        `<EulaSection><Info/><License>${content}</License></EulaSection></VirtualSystem>`,
      );
    expect(await nameIn(Buffer.from(eula(`<![CDATA[${"<p>Terms<br><li>".repeat(100)}]]>`)))).toBe("größe");
    expect(await nameIn(Buffer.from(eula(`<![CDATA[${"words of a licence & more = ".repeat(2000)}]]>`)))).toBe("größe");
    expect(await nameIn(Buffer.from(eula(`<!-- ${"<b>".repeat(100)} <!DOCTYPE -->`)))).toBe("größe");
    const renamed = text
      .replaceAll(/<(\/?)(?=[A-Z])/g, "<$1o:")
      .replaceAll("rasd:", "cim:")
      .replaceAll(/ ovf:(?=\w+=)/g, " o:")
      .replace('xmlns="', 'xmlns:o="')
      .replace("xmlns:rasd", "xmlns:cim");
    expect(await nameIn(Buffer.from(renamed))).toBe("größe");
    expect(await nameIn(Buffer.from(text.replace("<Name>größe", "<Name><![CDATA[a <b> &amp; c]]>")))).toBe(
      "a <b> &amp; c",
    );
  });

  it("hardware of several hypervisors is not added up", async () => {
    const two = system("w", item({ type: 3, VirtualQuantity: 2 }) + item({ type: 10 }) + drive("a")).replace(
      "</VirtualHardwareSection>",
      `</VirtualHardwareSection><VirtualHardwareSection><Info/>${item({ type: 3, VirtualQuantity: 2 })}${item({ type: 10 })}${drive("a")}</VirtualHardwareSection>`,
    );
    await opened(tarImage("a.ova", { "a.ovf": envelope(raw("a"), two), ...raws("a") }), ({ details }) =>
      expect(details["nics"]).toBe(1),
    );
  });
});
