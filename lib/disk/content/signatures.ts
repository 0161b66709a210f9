/**
 * Files that people bring instead of a disk image, told by bytes that all of their kind have. Sources: the formats' own
 * documents, and for those that have none the databases of file(1) and util-linux.
 */
import { looksLikeTar, TAR_BLOCK } from "../containers/tar/header.ts";
import { type OtherContent, type Sample, stands } from "./content.ts";

/** Any one of these places. Text, or hex after `0x`. */
type Mark = readonly [at: number, bytes: string];

interface Kind {
  readonly marks: readonly Mark[];
  readonly is: OtherContent;
}

const archive = (what: string, unpack: string): OtherContent => ({
  code: "image.archive",
  what: `is ${what}, not one disk`,
  hint: `Unpack it first (${unpack}) and bring the disk that is in it.`,
});
const packed = (what: string, unpack: string): OtherContent => ({
  code: "image.archive",
  what: `is packed with ${what}, which is not unpacked here`,
  hint: `Unpack it first: ${unpack}. Files packed with gzip, xz, zstd and zip are read as they are.`,
});
const format = (what: string, hint: string): OtherContent => ({
  code: "image.unsupported-format",
  what: `is ${what}, which is not read here`,
  hint,
});
const notADisk = (what: string, hint: string): OtherContent => ({ code: "image.not-a-disk", what: `is ${what}`, hint });

const CD = "Attach it to a VM as a CD on its host, install from it, and bring the disk of that VM.";
const STATE = "Bring the disk of the machine, which lies in another file.";
const RESTORE = "Restore it to a disk with the program that made it, and bring that disk.";
const FILES = "It holds files, no disk that starts: put them onto a disk, and bring that disk.";

const KINDS: readonly Kind[] = [
  { marks: [[0, "0x377abcaf271c"]], is: archive("a 7-Zip archive", "7z x") },
  { marks: [[0, "Rar!\x1a\x07"]], is: archive("a RAR archive", "unrar x") },
  { marks: [[0, "MSCF\0\0\0\0"]], is: archive("a cabinet of Windows", "expand or cabextract") },
  { marks: [[0, "xar!"]], is: archive("a XAR archive of macOS", "xar -xf") },
  { marks: [[0, "!<arch>\n"]], is: archive("an ar archive or a Debian package", "ar x") },
  {
    marks: [
      [0, "070701"],
      [0, "070702"],
      [0, "070707"],
    ],
    is: archive("a cpio archive", "cpio -i"),
  },
  { marks: [[0, "0xedabeedb"]], is: archive("an RPM package", "rpm2cpio") },
  // Another spanned archive's first part begins so; the usual zip is unpacked elsewhere.
  {
    marks: [[0, "0x504b0708504b0304"]],
    is: archive("the first part of a split zip", "zip -FF, with all parts beside it"),
  },
  { marks: [[0, "0x504b0506"]], is: notADisk("an empty zip", "Pack it again, or bring the disk itself.") },
  { marks: [[0, "0x1f8b08"]], is: packedUnderRawName("gzip", ".gz") },
  { marks: [[0, "0xfd377a585a00"]], is: packedUnderRawName("xz", ".xz") },
  { marks: [[0, "0x28b52ffd"]], is: packedUnderRawName("zstd", ".zst") },
  { marks: [[0, "PK\x03\x04"]], is: packedUnderRawName("zip", ".zip") },
  { marks: [[0, "BZh"]], is: packed("bzip2", "bunzip2") },
  { marks: [[0, "0x04224d18"]], is: packed("LZ4", "lz4 -d") },
  { marks: [[0, "LZIP"]], is: packed("lzip", "lzip -d") },
  { marks: [[0, "0x894c5a4f000d0a1a0a"]], is: packed("lzop", "lzop -d") },
  {
    marks: [
      [0, "0x1f9d"],
      [0, "0x1fa0"],
    ],
    is: packed("compress", "uncompress"),
  },
  {
    marks: [
      [0, "0x5d000080"],
      [0, "0x5d000000"],
    ],
    is: packed("LZMA", "unlzma"),
  },

  {
    marks: [[-512, "koly"]],
    is: format(
      "a DMG of macOS",
      "Convert it first: qemu-img convert -O qcow2, dmg2img, or hdiutil convert -format UDTO on a Mac.",
    ),
  },
  {
    marks: [
      [0, "encrcdsa"],
      [-8, "cdsaencr"],
    ],
    is: {
      code: "image.encrypted",
      what: "is an encrypted DMG of macOS",
      hint: "Open it on a Mac with hdiutil attach, and copy the disk out.",
    },
  },
  { marks: [[0, "sprs"]], is: format("a sparse image of macOS", "Convert it on a Mac: hdiutil convert -format UDTO.") },
  {
    marks: [[0, "Bochs Virtual HD Image"]],
    is: format("a growing disk of Bochs", "Convert it first: qemu-img convert -f bochs -O qcow2."),
  },
  {
    marks: [[0, "#!/bin/sh\n#V2.0 Format\n"]],
    is: format("a cloop image", "Convert it first: qemu-img convert -f cloop -O raw."),
  },
  {
    marks: [
      [0, "0x455646090d0aff00"],
      [0, "0x4c5646090d0aff00"],
      [0, "0x455646320d0a8100"],
    ],
    is: format("an image of EnCase (EWF)", "Export it as raw first: ewfexport."),
  },
  { marks: [[0, "AFF10\r\n"]], is: format("an AFF image", "Export it as raw first: affconvert -r.") },
  { marks: [[0, "0xfeef01"]], is: format("a backup of Norton Ghost", RESTORE) },
  {
    marks: [
      [0, "0xce24b9a220000000"],
      [0, "0xb46e6844"],
    ],
    is: format("a backup of Acronis", RESTORE),
  },
  { marks: [[0, "partclone-image"]], is: format("an image of Partclone", "Restore it to a disk: partclone.restore.") },
  { marks: [[0, "PaRtImAgE-VoLuMe"]], is: format("an image of Partimage", RESTORE) },
  {
    marks: [
      [0, "FsA0"],
      [0, "ArCh"],
    ],
    is: format("an archive of FSArchiver", RESTORE),
  },
  { marks: [[0, "0x3aff26ed"]], is: format("a sparse image of Android", "Convert it to raw first: simg2img.") },
  { marks: [[0, "MComprHD"]], is: format("a CHD image", "Extract it first: chdman extracthd.") },
  {
    marks: [[0, "MSWIM\0\0\0"]],
    is: format("a WIM or ESD of Windows", "Apply it to a disk (DISM /Apply-Image, or wimapply), and bring that disk."),
  },

  { marks: [[0, "LUKS\xba\xbe\0\x01"]], is: luks("LUKS 1") },
  { marks: [[0, "LUKS\xba\xbe\0\x02"]], is: luks("LUKS 2") },
  { marks: [[3, "-FVE-FS-"]], is: encryptedDisk("BitLocker", "unlock it on Windows, or with dislocker") },

  {
    marks: [
      [0, "hsqs"],
      [0, "sqsh"],
    ],
    is: notADisk("a SquashFS file system", FILES),
  },
  { marks: [[1024, "0xe2e1f5e0"]], is: notADisk("an EROFS file system", FILES) },
  {
    marks: [
      [0, "0x453dcd28"],
      [0, "0x28cd3d45"],
    ],
    is: notADisk("a CramFS file system", FILES),
  },
  { marks: [[0, "-rom1fs-"]], is: notADisk("a romfs file system", FILES) },
  { marks: [[0, "UBI#"]], is: notADisk("a flash image (UBI)", FILES) },

  {
    marks: [
      [0, "0xd0bed2be"],
      [0, "0xd1bed2be"],
      [0, "0xd2bed2be"],
      [0, "0xd3bed2be"],
    ],
    is: notADisk("the saved state of a VMware machine", STATE),
  },
  { marks: [[0, "MRVN"]], is: notADisk("the firmware's memory of a VMware machine (.nvram)", STATE) },
  { marks: [[0, "\x7fVirtualBox SavedState"]], is: notADisk("the saved state of a VirtualBox machine", STATE) },
  {
    marks: [
      [0, "LibvirtQemudSave"],
      [0, "LibvirtQemudPart"],
    ],
    is: notADisk("the saved state of a libvirt domain", STATE),
  },
  { marks: [[0, "QEVM"]], is: notADisk("the saved state of a QEMU machine", STATE) },
  { marks: [[0, "LinuxGuestRecord"]], is: notADisk("the saved state of a Xen domain", STATE) },
  { marks: [[0, "SQLite format 3\0"]], is: notADisk("an SQLite database", "Bring the disk image itself.") },
  { marks: [[0, "%PDF-"]], is: notADisk("a PDF document", "Bring the disk image itself.") },
  { marks: [[0, "\x7fELF"]], is: notADisk("a program or kernel of Linux", "Bring the disk image itself.") },
  {
    marks: [
      [0, "d8:announce"],
      [0, "d10:created by"],
      [0, "d13:announce-list"],
    ],
    is: notADisk("a torrent, not what it leads to", "Fetch the image with a BitTorrent program, and bring that."),
  },
];

/** Under any other name these are unpacked before anybody asks what they are. */
function packedUnderRawName(by: string, ending: string): OtherContent {
  return {
    code: "image.archive",
    what: `is packed with ${by}, though its name does not say so`,
    hint: `Give it a name that ends in ${ending}, and it is read as what is in it.`,
  };
}

function encryptedDisk(by: string, how: string): OtherContent {
  return {
    code: "image.encrypted",
    what: `is encrypted as a whole with ${by}`,
    hint: `To get what is in it, ${how}, and bring the disk that it opens to. To copy it as it is, for a guest that has the key, say that its format is raw.`,
  };
}

function luks(version: string): OtherContent {
  return encryptedDisk(
    version,
    "open it with cryptsetup open, or convert it with its secret: qemu-img convert --image-opts",
  );
}

function toBytes(text: string): Buffer {
  return text.startsWith("0x") ? Buffer.from(text.slice(2), "hex") : Buffer.from(text, "latin1");
}

const TABLE = KINDS.map(({ marks, is }) => ({ marks: marks.map(([at, text]) => [at, toBytes(text)] as const), is }));

/** null: no kind of the table. */
export function bySignature(sample: Sample): OtherContent | null {
  const { head } = sample;
  if (looksLikeTar(head.subarray(0, TAR_BLOCK))) {
    return {
      code: "image.archive",
      what: "is an archive of files, not one disk",
      hint: "A package of a machine is an .ova with an .ovf descriptor in it, or an .xva. Unpack any other archive first.",
    };
  }
  const found = TABLE.find(({ marks }) => marks.some(([at, bytes]) => stands(sample, bytes, at)));
  if (found !== undefined) return found.is;
  return isOptical(sample)
    ? notADisk("an image of a CD or DVD, not of a disk", CD)
    : isProgram(sample)
      ? PROGRAM
      : null;
}

const PROGRAM = notADisk(
  "a program of Windows",
  "If it unpacks itself, run it on Windows or open it with 7-Zip, and bring the disk that is in it.",
);

/** A boot sector may begin with these letters by chance, but then it ends with its own mark. */
function isProgram({ head }: Sample): boolean {
  if (head.toString("latin1", 0, 2) !== "MZ" || head.length < 512 || head.readUInt16LE(510) === 0xaa55) return false;
  const at = head.readUInt32LE(60);
  return at + 4 <= head.length && head.toString("latin1", at, at + 4) === "PE\0\0";
}

const DESCRIPTORS_AT = 32_768;
const OPTICAL_BLOCK = 2048;

/**
 * ISO 9660 or UDF. Both leave the first 32 KiB to others, and installers put a partition table there for memory sticks:
 * a stick that was one and is partitioned anew may still hold the mark, but not at the file's own length.
 */
function isOptical({ head, size }: Sample): boolean {
  const id = (at: number) => head.toString("latin1", at + 1, at + 6);
  let udf = false;
  for (let i = 0; i < 8; i++) {
    const mark = id(DESCRIPTORS_AT + i * OPTICAL_BLOCK);
    if (mark === "NSR02" || mark === "NSR03") udf = true;
  }
  const iso = id(DESCRIPTORS_AT) === "CD001";
  if (!iso && !udf) return false;
  if (head.readUInt16LE(510) !== 0xaa55 || !iso || head.length < DESCRIPTORS_AT + 84) return true;
  const told = head.readUInt32LE(DESCRIPTORS_AT + 80) * OPTICAL_BLOCK;
  return told * 2 > size;
}
