/**
 * The files below an image of QEMU's: backing files of any format, told by name, all from the image's own folder. One
 * chain is shared by all images in it, so that no file stands in it twice and it ends somewhere.
 */
import { dirname, resolve } from "node:path/posix";
import { AppError } from "#lib/errors.ts";
import { DISK_FORMAT_LABEL, type SourceFormatId } from "#lib/domain/disk-format.ts";
import type { BlockSource } from "../block-source.ts";
import { recognise } from "../content/recognise.ts";
import { FlatDisk } from "../flat-disk.ts";
import type { OpenedImage } from "../format.ts";
import { refused } from "../image-error.ts";
import type { ImageFile } from "../io.ts";
import { type NamedPath, namedPath } from "./named-path.ts";

/** Long chains are legal but slow; a chain like this one is nobody's intent. */
const DEEPEST_CHAIN = 64;

/** The other formats, which no format imports itself. */
export interface OtherFormats {
  /** By content; null: it tells none. Throws `image.ambiguous-format`. */
  detect(file: ImageFile, signal?: AbortSignal): Promise<SourceFormatId | null>;
  open(file: ImageFile, format: SourceFormatId, chain: BackingChain, signal?: AbortSignal): Promise<OpenedImage>;
}

/** What an image says of the file below it. */
export interface Backing {
  readonly name: string;
  /** QEMU's name of its format; null: not told. */
  readonly format: string | null;
}

const BY_QEMU: Readonly<Record<string, SourceFormatId>> = {
  raw: "raw",
  file: "raw",
  qcow2: "qcow2",
  qed: "qed",
  vmdk: "vmdk",
  vpc: "vhd",
  vhdx: "vhdx",
  vdi: "vdi",
  parallels: "parallels",
};
const QEMU_NAME: Readonly<Record<SourceFormatId, string>> = {
  raw: "raw",
  qcow2: "qcow2",
  qed: "qed",
  vmdk: "vmdk",
  vhd: "vpc",
  vhdx: "vhdx",
  vdi: "vdi",
  parallels: "parallels",
};

export class BackingChain {
  readonly files: string[] = [];
  /** The backing files among them, nearest first. */
  readonly parents: string[] = [];
  readonly notes: string[] = [];
  readonly #images = new Set<string>();
  readonly #opened: AsyncDisposable[] = [];
  readonly #others: OtherFormats;

  constructor(others: OtherFormats) {
    this.#others = others;
  }

  /** Counts `name` as the chain's next image: the same one twice is a circle. */
  enter(name: string): void {
    if (this.#images.has(name)) {
      throw refused(
        name,
        0,
        "image.chain-loop",
        "is its own backing file, directly or through others",
        "Rebase it with qemu-img rebase -u.",
      );
    }
    if (this.#images.size >= DEEPEST_CHAIN) {
      throw refused(
        name,
        0,
        "image.chain-too-deep",
        `stands more than ${DEEPEST_CHAIN} backing files deep`,
        "Commit or convert the chain first.",
      );
    }
    this.#images.add(name);
    this.#add(name);
  }

  #add(name: string): void {
    if (!this.files.includes(name)) this.files.push(name);
  }

  has(name: string): boolean {
    return this.#images.has(name);
  }

  /**
   * A file that `image` names by a path of the machine that made it: the last part counts, and is opened beside it. On
   * that machine itself the path counts. Throws `image.path-escapes` for what is no file, `image.sibling-missing`, and `image.parent-missing` where a path was named.
   */
  async beside(image: ImageFile, named: string, what: string): Promise<{ file: ImageFile; told: NamedPath }> {
    const told = namedPath(named);
    if (told === null) throw noFile(image.name, named, what);
    const atHome = image.home !== undefined && dirname(resolve(image.home, told.path)) === image.home;
    if (image.home !== undefined && !atHome) {
      if (image.atPath === undefined) throw elsewhere(image.name, told, what);
      const file = await image.atPath(told.path);
      this.#opened.push(file.bytes);
      return { file, told };
    }
    if (!told.plain && !atHome && this.#images.has(told.name)) throw pathMissing(image.name, told, what, null);
    let file: ImageFile;
    try {
      file = await image.sibling(told.name);
    } catch (error) {
      const missing = error instanceof AppError && error.code === "image.sibling-missing";
      if (missing && !told.plain) throw pathMissing(image.name, told, what, error);
      throw error;
    }
    this.#opened.push(file.bytes);
    if (!told.plain && !atHome) {
      this.notes.push(`${image.name} names ${shown(told.path)} as its ${what}; ${told.name} beside it was used.`);
    }
    return { file, told };
  }

  /** The disk below `image`, which owns its files. */
  async open(image: ImageFile, backing: Backing, signal?: AbortSignal): Promise<BlockSource> {
    const { file, told } = await this.beside(image, backing.name, "backing file");
    this.parents.push(file.name);
    const said = backing.format ?? told.driver;
    const format = await this.#formatOf(image, file, said, signal);
    if (format === "raw") {
      this.enter(file.name);
      return new FlatDisk(file, 0, file.bytes.size);
    }
    // Nobody said that it is an image: a guest that had it as its raw disk may have written what looks like one.
    const opened = await this.#others.open(said === null ? besideOnly(file) : file, format, this, signal);
    const { facts } = opened;
    if (!this.#images.has(file.name)) this.enter(file.name);
    for (const name of facts.files) this.#add(name);
    for (const name of facts.parents ?? []) if (!this.parents.includes(name)) this.parents.push(name);
    for (const note of facts.notes) if (!this.notes.includes(note)) this.notes.push(note);
    return disposing(opened);
  }

  /** What is not told is found by content, and what no content tells is not raw: a guest's disk would be wrong in silence. */
  async #formatOf(
    image: ImageFile,
    file: ImageFile,
    told: string | null,
    signal: AbortSignal | undefined,
  ): Promise<SourceFormatId> {
    const said = told === null ? null : (BY_QEMU[told] ?? null);
    if (told !== null && said === null) {
      throw refused(
        image.name,
        0,
        "image.unsupported-backing",
        `stands on a backing file of format ${JSON.stringify(told.slice(0, 40))}, which is not read here`,
        "Convert the chain to one file first: qemu-img convert -O qcow2.",
      );
    }
    if (said === "raw") return said;
    const found = await this.#others.detect(file, signal);
    if (said !== null) {
      if (found === said) return said;
      throw refused(
        image.name,
        0,
        "image.format-mismatch",
        `says that its backing file ${file.name} is ${DISK_FORMAT_LABEL[said]}, but ${found === null ? "its content does not say so" : `it is ${DISK_FORMAT_LABEL[found]}`}`,
        found === null
          ? "Bring the backing file that belongs to it."
          : `Make sure that it is the right file, then write its format down: ${rebase(image.name, file.name, QEMU_NAME[found])}`,
      );
    }
    if (found !== null) {
      this.notes.push(
        `${image.name} does not tell the format of ${file.name}, which is ${DISK_FORMAT_LABEL[found]} by its content.`,
      );
      return found;
    }
    const content = await recognise(file, signal);
    if (content.kind === "disk") {
      this.notes.push(
        `${image.name} does not tell the format of ${file.name}; it was read as raw, since it holds ${content.what}.`,
      );
      return "raw";
    }
    throw refused(
      image.name,
      0,
      "image.backing-format-unknown",
      `does not tell the format of its backing file ${file.name}, ${content.kind === "other" ? `which ${content.what}` : "and that one's content does not either"}`,
      content.kind === "other"
        ? "Bring the backing file that belongs to it."
        : `If it is the lower disk byte for byte, write that down: ${rebase(image.name, file.name, "raw")}`,
    );
  }

  /** Closes what was opened. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#opened.map((file) => file[Symbol.asyncDispose]()));
  }
}

function besideOnly(file: ImageFile): ImageFile {
  if (file.atPath === undefined) return file;
  return { ...file, atPath: async (path) => Promise.reject(unprovenImage(file.name, path)) };
}

/** `image.path-escapes`: what a guest can write into its disk must not lead to another one's. */
export function unprovenImage(owner: string, path: string): AppError {
  return new AppError(
    "unprocessable",
    "image.path-escapes",
    `${owner} refers to ${shown(path)}, but nothing beside its own content says that ${owner} is an image that stands on another file: a guest could have written that, so it is not followed.`,
    {
      hint: "If it is such an image, say so on the host: type='qcow2' at the disk's driver in the VM's definition; or, where another image stands on it, qemu-img rebase -u -F qcow2 on that one.",
      details: { file: owner, path: path.slice(0, 200) },
    },
  );
}

function disposing(opened: OpenedImage): BlockSource {
  const { disk } = opened;
  return {
    size: disk.size,
    extents: (signal) => disk.extents(signal),
    read: (offset, into, signal) => disk.read(offset, into, signal),
    ...(disk.locate === undefined ? {} : { locate: disk.locate.bind(disk) }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

const shown = (path: string): string => JSON.stringify(path.slice(0, 200));
/** To be pasted into a shell, and the names are not ours. */
const word = (name: string): string => `'${name.replaceAll("'", `'\\''`)}'`;
const quoted = (name: string): string => (/^[\w.][\w.+-]*$/.test(name) ? name : word(name));
const rebase = (image: string, backing: string, format: string): string =>
  `qemu-img rebase -u -F ${format} -b ${quoted(backing)} ${quoted(image)}`;

function noFile(owner: string, named: string, what: string): AppError {
  return new AppError(
    "unprocessable",
    "image.path-escapes",
    `${owner} names ${shown(named)} as its ${what}, which is not a plain file beside it.`,
    { hint: "Convert the chain to one file first.", details: { file: owner, path: named.slice(0, 200) } },
  );
}

function elsewhere(owner: string, { path }: NamedPath, what: string): AppError {
  return new AppError(
    "unprocessable",
    "image.path-escapes",
    `${owner} names ${shown(path)} as its ${what}, which lies outside of its folder.`,
    {
      hint: "Move the files of the chain into one folder of the host, or merge the chain there.",
      details: { file: owner, path: path.slice(0, 200) },
    },
  );
}

function pathMissing(owner: string, { path, name }: NamedPath, what: string, cause: unknown): AppError {
  const hint =
    cause === null
      ? `Copy it beside ${owner} under another name, and write that down: qemu-img rebase -u -b NAME -F FORMAT ${quoted(owner)}`
      : `Copy ${shown(path)} from the machine that it was made on into the same folder, as ${name}; or merge the chain there with qemu-img convert.`;
  return new AppError(
    "unprocessable",
    what === "backing file" ? "image.parent-missing" : "image.sibling-missing",
    `${owner} names ${shown(path)} as its ${what}, and ${cause === null ? "that name beside it is in the chain already" : `no ${name} lies beside it`}.`,
    {
      hint,
      details: { file: owner, offset: 0, missing: path.slice(0, 200) },
      ...(cause === null ? {} : { cause }),
    },
  );
}
