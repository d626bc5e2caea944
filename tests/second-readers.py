#!/usr/bin/env python3
"""Images of the recipes and of qemu-img, read by readers that share nothing with imgprep.

    second-readers.py TESTDATA_GEN IMGPREP

Readers: dissect.hypervisor, libvhdi-python, libqcow-python, libvmdk-python (PyPI). A reader that says it can't
read an image is counted; one that reads other bytes fails the run unless KNOWN has that difference and says who is right (-v lists
what they cannot read).
"""
import hashlib
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile

import pyqcow
import pyvhdi
import pyvmdk
from dissect.hypervisor.disk.qcow2 import QCow2
from dissect.hypervisor.disk.vdi import VDI
from dissect.hypervisor.disk.vhd import VHD
from dissect.hypervisor.disk.vhdx import VHDX
from dissect.hypervisor.disk.vmdk import VMDK

STEP = 1 << 20
SECONDS = 10


def dissect(kind):
    """The disk behind a dissect class."""

    def read(path):
        disk = kind(open(path, "rb") if kind is VHD else pathlib.Path(path))
        stream = disk.open() if hasattr(disk, "open") and kind in (VDI, QCow2) else disk
        return int(stream.size), lambda at, n: (stream.seek(at), stream.read(n))[1]

    return read


def lib(module, name):
    """The disk behind a file object of libyal."""

    def read(path):
        file = getattr(module, "file")() if name == "file" else getattr(module, name)()
        file.open(str(path))
        if module is pyvmdk:
            file.open_extent_data_files()
        return file.get_media_size(), lambda at, n: file.read_buffer_at_offset(n, at)

    return read


READERS = {
    "qcow2": {"dissect": dissect(QCow2), "libqcow": lib(pyqcow, "file")},
    "qcow": {"libqcow": lib(pyqcow, "file")},
    "vdi": {"dissect": dissect(VDI)},
    "vhd": {"dissect": dissect(VHD), "libvhdi": lib(pyvhdi, "file")},
    "vhdx": {"dissect": dissect(VHDX), "libvhdi": lib(pyvhdi, "file")},
    "vmdk": {"dissect": dissect(VMDK), "libvmdk": lib(pyvmdk, "handle")},
}

# What qemu-img makes of one disk: format, options.
MADE = [
    ("qcow2", ["-O", "qcow2"]),
    ("qcow2", ["-c", "-O", "qcow2"]),
    ("qcow2", ["-O", "qcow2", "-o", "compat=0.10,cluster_size=4k"]),
    ("vdi", ["-O", "vdi"]),
    ("vdi", ["-O", "vdi", "-o", "static=on"]),
    ("vhd", ["-O", "vpc", "-o", "force_size=on"]),
    ("vhd", ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ("vhdx", ["-O", "vhdx"]),
    ("vhdx", ["-O", "vhdx", "-o", "subformat=fixed"]),
    ("vmdk", ["-O", "vmdk"]),
    ("vmdk", ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ("vmdk", ["-O", "vmdk", "-o", "subformat=monolithicFlat"]),
    ("vmdk", ["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"]),
]

# What imgprep makes of the sample disk.
WRITTEN = [
    ("qcow2", "cluster_size=64k"),
    ("qcow2", "cluster_size=512"),
    ("qcow2", "compress=on"),
    ("qcow2", "compress=on,cluster_size=4k"),
    ("qcow2", "compression_type=zstd"),
    ("vdi", "static=off"),
    ("vdi", "static=on"),
    ("vhd", "subformat=dynamic"),
    ("vhd", "block_size=512K"),
    ("vhd", "subformat=fixed"),
    ("vhdx", "subformat=dynamic"),
    ("vhdx", "block_size=1M"),
    ("vhdx", "block_size=32M,log_size=2M"),
    ("vhdx", "logical_sector_size=4096"),
    ("vhdx", "subformat=fixed"),
    ("qcow", "cluster_size=4k"),
    ("qcow", "cluster_size=512"),
    ("qcow", "compress=on"),
    ("qcow", "compress=on,cluster_size=512"),
    ("vmdk", "subformat=monolithicSparse"),
    ("vmdk", "grain=8K"),
    ("vmdk", "subformat=streamOptimized"),
    ("vmdk", "subformat=streamOptimized,grain=8K,level=1"),
    ("vmdk", "subformat=monolithicFlat"),
    ("vmdk", "subformat=twoGbMaxExtentSparse"),
    ("vmdk", "subformat=twoGbMaxExtentFlat"),
]


class Known:
    """One difference that is understood: who reads which images otherwise, which field of the file decides, who is right.

    `shapes` is what a differing sector of 512 bytes may be: "garbage" (0xee where the recipe has zeros: what the recipes leave in
    sectors that are not the disk's), "zeros" (zeros where the recipe has data), "other". `size` is the length that the reader
    reports where it differs. A difference of another shape or length fails the run, and so does an entry that nothing meets.
    """

    def __init__(self, reader, names, field, right, shapes, size=None):
        self.reader, self.names, self.field, self.right = reader, set(names.split()), field, right
        self.shapes, self.size = set(shapes.split()), size

    def meets(self, reader, name, got, want):
        """Whether this is the difference."""
        size, _, shapes = got
        return reader == self.reader and name in self.names and shapes <= self.shapes and size == (want[0] if self.size is None else self.size)


QCOW2_PACKED = "bits 62 and on of an L2 entry: a compressed cluster"
QEMU_READS_IT = "the recipe: qemu-img reads these images so (differential.rs), dissect cannot inflate them"
PARENT = "the recipe, whose disk includes the parent's bytes: dissect reads a child alone unless it is given the parent"
VHD_BITS = "sector bitmap of a block"
VHD_CLEAR = "the recipe: the specification has a sector whose bit is clear read as zeros; dissect ignores the bitmap of a dynamic disk"
VHD_SPLIT = (
    "the recipe: libvhdi ends runs of bits in the wrong places, it drops sectors whose bit is set (qemu-img and dissect read them)"
    " and reads some whose bit is clear"
)
VHD_SIZE = "the recipe: Virtual PC and old QEMU mean the geometry, as qemu-img reads it; this reader always takes the stored size"
VHDX_LOG = "the recipe: a log that is not empty must be replayed (MS-VHDX 2.3.3), qemu-img does (differential_vhdx.rs); this reader does not"

KNOWN = [
    Known("libqcow", "qcow2-zlib-16 qcow2-zlib-18 qcow2-zlib-21 qcow2-shuffled-18 qcow2-zero-clusters qcow2-allocated-zeros qcow2-dirty"
          " qcow2-extensions sample", QCOW2_PACKED, QEMU_READS_IT, "zeros other"),
    Known("libqcow", "qemu-img-c-O-qcow2", QCOW2_PACKED, "qemu-img, which wrote it, and dissect", "zeros other"),
    Known("libqcow", "imgprep-qcow2-compress=on imgprep-qcow2-compress=on,cluster_size=4k", QCOW2_PACKED,
          "qemu-img and dissect, which read these images as they were written", "zeros other"),
    Known("dissect", "vdi-over-vdi vdi-undo vdi-over-shorter vdi-over-longer vdi-chain-of-three", "uuidLinkage", PARENT, "zeros other"),
    Known("dissect", "vdi-extra-1048576", "cbBlockExtra", "the recipe: the blocks begin behind their extra space, which dissect ignores",
          "garbage zeros other"),
    Known("dissect", "vhd-over-dynamic vhd-over-fixed vhd-over-smaller vhd-over-larger vhd-w2ru vhd-w2ku vhd-macx vhd-wi2r"
          " vhd-chain-of-three vhd-over-raw", "parent unique id", PARENT, "garbage zeros other"),
    Known("dissect", "vhd-dynamic-12 vhd-dynamic-14 vhd-dynamic-19 vhd-dynamic-21 vhd-dynamic-22 vhd-shuffled-12 vhd-shuffled-14"
          " vhd-shuffled-19 vhd-shuffled-21 vhd-shuffled-22 vhd-dynamic-1024-blocks vhd-dynamic-zeros vhd-dynamic-511 vhd-marked"
          " vhd-end-damaged vhd-end-without-cookie vhd-start-damaged vhd-start-without-cookie vhd-times-differ vhd-batmap vhd-batmap-1.1"
          " vhd-batmap-checksum vhd-hidden vhd-tapdisk-0.1 vhd-size-vs vhd-size-qem2 vhd-size-win vhd-size-vbox vhd-size-other"
          " vhd-size-maximal-geometry vhd-size-no-geometry", VHD_BITS, VHD_CLEAR, "garbage"),
    Known("libvhdi", "vhd-dynamic-12 vhd-dynamic-14 vhd-dynamic-19 vhd-dynamic-21 vhd-dynamic-22 vhd-shuffled-12 vhd-shuffled-14"
          " vhd-shuffled-19 vhd-shuffled-21 vhd-shuffled-22 vhd-dynamic-1023-blocks vhd-dynamic-1024-blocks vhd-dynamic-1025-blocks"
          " vhd-dynamic-zeros vhd-dynamic-bytes vhd-marked vhd-end-damaged vhd-start-damaged vhd-start-without-cookie vhd-times-differ"
          " vhd-batmap vhd-batmap-1.1 vhd-batmap-checksum vhd-hidden vhd-size-vs vhd-size-qem2 vhd-size-win"
          " vhd-size-vbox vhd-size-other vhd-size-maximal-geometry vhd-size-no-geometry", VHD_BITS, VHD_SPLIT, "garbage zeros"),
    Known("libvhdi", "vhd-tapdisk-0.1", VHD_BITS, "the recipe: tapdisk 0.1 counts bits from the lowest; libvhdi, which knows one order only,"
          " splits their runs wrong, too", "garbage zeros"),
    Known("dissect", "vhd-end-followed", "footer", "the recipe: the copy at the start describes the disk; dissect takes the file's last 512"
          " bytes, which are zeros, for a footer", "", size=0),
    Known("dissect", "vhd-size-vpc vhd-size-qemu", "creator application, geometry", VHD_SIZE, "garbage", size=600064),
    Known("libvhdi", "vhd-size-vpc vhd-size-qemu", "creator application, geometry", VHD_SIZE, "garbage zeros", size=600064),
    Known("dissect", "vhd-fixed-size-vpc vhd-fixed-size-qemu", "creator application, geometry", VHD_SIZE, "", size=600064),
    Known("libvhdi", "vhd-fixed-size-vpc vhd-fixed-size-qemu", "creator application, geometry", VHD_SIZE, "", size=600064),
    Known("libvhdi", "vhdx-log-data vhdx-log-zeros vhdx-log-many-descriptors vhdx-log-several vhdx-log-torn vhdx-log-wrapped"
          " vhdx-log-wrapped-in-an-entry vhdx-log-stale vhdx-log-grows", "LogGuid of the header", VHDX_LOG, "zeros other"),
    Known("dissect", "vhdx-log-zeros", "LogGuid of the header", VHDX_LOG, "other"),
    Known("libvmdk", "vmdk-sparse-zeroed", "grain table entry 1 with the zeroed-grain flag", "the recipe: qemu-img reads zeros, libvmdk takes"
          " the entry for sector 1", "other"),
    Known("libvmdk", "vmdk-split-flat", "offset of a FLAT extent", "the recipe: qemu-img begins at the extent's offset, libvmdk at the file's"
          " start", "garbage zeros other"),
    Known("dissect", "vmdk-wrapped", "createType of the embedded descriptor", "the recipe: the descriptor names the disk's extents, the file"
          " that wraps it has no grains; dissect reads the file", "", size=0),
]

# The least that each must read as the recipe says: a reader that reads nothing proves nothing.
LEAST = {
    ("dissect", "qcow2"): 30,
    ("dissect", "vdi"): 10,
    ("dissect", "vhd"): 10,
    ("dissect", "vhdx"): 20,
    ("dissect", "vmdk"): 9,
    ("libqcow", "qcow"): 20,
    ("libqcow", "qcow2"): 14,
    ("libvhdi", "vhd"): 10,
    ("libvhdi", "vhdx"): 15,
    ("libvmdk", "vmdk"): 25,
}


def digest(size, read):
    """Size and hash of a disk read in steps."""
    sha = hashlib.sha256()
    for at in range(0, size, STEP):
        want = min(STEP, size - at)
        got = read(at, want)
        if len(got) != want:
            raise OSError(f"{len(got)} of {want} bytes at {at}")
        sha.update(got)
    return size, sha.hexdigest()


def shape(theirs, want):
    """What a sector is that differs from the recipe's."""
    if not any(theirs):
        return "zeros"
    return "garbage" if set(theirs) == {0xEE} and not any(want) else "other"


def shapes(size, read, disk):
    """What all sectors are that differ from the disk in the part that both have."""
    found = set()
    with open(disk, "rb") as file:
        for at in range(0, min(size, file.seek(0, 2)), STEP):
            file.seek(at)
            want = file.read(min(STEP, size - at))
            got = read(at, len(want))
            pairs = ((got[n : n + 512], want[n : n + 512]) for n in range(0, len(want), 512))
            found.update(shape(theirs, ours) for theirs, ours in pairs if theirs != ours)
    return found


def answer(pipe, read, path, disk):
    """What a reader says of an image: its size, hash and where it differs, or why it cannot read it."""
    try:
        size, reading = read(path)
        pipe.send((*digest(size, reading), shapes(size, reading, disk)))
    except Exception as error:  # pylint: disable=broad-except
        lines = str(error).splitlines() or [type(error).__name__]
        pipe.send(lines[0])


def ask(read, path, disk):
    """The same from a process of its own: some readers never come back from some images."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(theirs, read, path, disk))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(SECONDS) else f"no answer in {SECONDS} s"
    except EOFError:
        return "it died"
    finally:
        child.kill()
        child.join()


def of_file(path):
    """Size and hash of a raw file."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        return digest(size, lambda at, n: (file.seek(at), file.read(n))[1])


def images(folder, testdata_gen, imgprep):
    """Name, format, image, disk of everything to be read."""
    listed = subprocess.run([testdata_gen, "disks", folder], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, kind, path, disk, _files = line.split("\t")
        yield name, kind, path, disk
    disk = next(line.split("\t")[3] for line in listed.splitlines() if line.startswith("sample\t"))
    for number, (kind, options) in enumerate(MADE):
        own = pathlib.Path(folder) / f"made-{number}"
        own.mkdir()
        path = own / f"image.{kind}"
        subprocess.run(["qemu-img", "convert", "-f", "raw", *options, disk, path], check=True)
        yield "-".join(["qemu-img", *(option.lstrip("-") for option in options)]), kind, str(path), disk
    for number, (kind, options) in enumerate(WRITTEN):
        path = pathlib.Path(folder) / f"written-{number}.{kind}"
        subprocess.run([imgprep, "convert", "-q", "--from", "raw", disk, path, "-o", options], check=True)
        yield f"imgprep-{kind}-{options}", kind, str(path), disk


def main():
    testdata_gen, imgprep = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:3])
    same, unable, wrong = {}, [], []
    unmet = {(known.reader, name) for known in KNOWN for name in known.names}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, path, disk in images(folder, testdata_gen, imgprep):
            want = of_file(disk)
            if name.startswith("qemu-img"):
                ours = pathlib.Path(folder) / "ours.raw"
                ran = subprocess.run([imgprep, "convert", "-q", "--force", "--no-sync", path, ours], check=False)
                if ran.returncode != 0 or of_file(ours) != want:
                    wrong.append(f"imgprep reads {name} wrong or not at all")
            for reader, read in READERS.get(kind, {}).items():
                got = ask(read, path, disk)
                if isinstance(got, str):
                    unable.append(f"{reader} can't read {name}: {got}")
                    continue
                if got[:2] == want:
                    same[reader, kind] = same.get((reader, kind), 0) + 1
                    continue
                if any(known.meets(reader, name, got, want) for known in KNOWN):
                    unmet.discard((reader, name))
                else:
                    wrong.append(f"{reader} reads other bytes of {name}: {got[0]} bytes, {want[0]} expected, {sorted(got[2])}")
    for (reader, kind), count in sorted(same.items()):
        print(f"{reader} reads {count} images of {kind} as the recipe says")
    wrong += [f"{reader} reads only {same.get((reader, kind), 0)} images of {kind}" for (reader, kind), least in LEAST.items()
              if same.get((reader, kind), 0) < least]
    wrong += [f"{reader} no longer reads {name} otherwise" for reader, name in sorted(unmet)]
    print(f"{len(unable)} times a reader said that it can't read an image")
    for line in (unable if "-v" in sys.argv else []) + wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
