#!/usr/bin/env python3
"""Images of the recipes and of qemu-img, read by readers that share nothing with imgprep.

    second-readers.py TESTDATA_GEN IMGPREP

Readers: dissect.hypervisor, libvhdi-python, libqcow-python, libvmdk-python (PyPI). A reader that says it can't
read an image is counted; one that reads other bytes fails the run unless KNOWN tells who is right (-v lists
what they can't read).
"""
import hashlib
import multiprocessing
import pathlib
import re
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

# Readers, images, and who is right where they read other bytes than the recipe's. A rule that nothing meets any more fails.
KNOWN = [
    # Only one of three readers reads packed clusters so: dissect and qemu-img, which wrote one of these, read the disk.
    (r"libqcow", r"qcow2-(zlib-(16|18|21)|shuffled-18|zero-clusters|allocated-zeros|dirty|extensions)|sample|qemu-img -c -O qcow2"),
    # It looks for the parent of a VDI or VHD only if it is handed one; the recipe's disk has the parent's bytes.
    (r"dissect", r"vdi-(over-.*|undo|chain-of-three)|vhd-(over-.*|w2ru|w2ku|macx|wi2r|chain-of-three)"),
    # It ignores the extra space before each block, which is a field of the header.
    (r"dissect", r"vdi-extra-1048576"),
    # Virtual PC and old QEMU mean the geometry (the recipe sets both sizes apart on purpose); both readers take the field.
    (r"dissect|libvhdi", r"vhd-(fixed-)?size-(vpc|vs|qemu)"),
    # The recipe leaves garbage in sectors whose bit is clear: the specification has such a sector untouched, that is zeros.
    # Both readers (and qemu-img) take the garbage.
    (r"dissect|libvhdi", r"vhd-(dynamic|shuffled|size|marked|end|start|times|batmap|hidden|tapdisk).*"),
    # Neither replays the log, which the specification demands; qemu-img does, and is held against us in differential_vhdx.rs.
    (r"dissect|libvhdi", r"vhdx-log-.*"),
    # libvmdk takes the entry of a zeroed grain for a place; qemu-img reads both of these as the recipe does.
    (r"libvmdk", r"vmdk-sparse-zeroed|vmdk-split-flat"),
    # A file that only wraps a descriptor: it has no grains, its descriptor names the disk.
    (r"dissect", r"vmdk-wrapped"),
]

# The least that each must read as the recipe says: a reader that reads nothing proves nothing.
LEAST = {
    ("dissect", "qcow2"): 30,
    ("dissect", "vdi"): 10,
    ("dissect", "vhd"): 10,
    ("dissect", "vhdx"): 20,
    ("dissect", "vmdk"): 5,
    ("libqcow", "qcow"): 20,
    ("libqcow", "qcow2"): 14,
    ("libvhdi", "vhd"): 10,
    ("libvhdi", "vhdx"): 15,
    ("libvmdk", "vmdk"): 18,
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


def answer(pipe, read, path):
    """What a reader says of an image: its size and hash, or why it can't."""
    try:
        pipe.send(digest(*read(path)))
    except Exception as error:  # pylint: disable=broad-except
        lines = str(error).splitlines() or [type(error).__name__]
        pipe.send(lines[0])


def ask(read, path):
    """The same from a process of its own: some readers never come back from some images."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(theirs, read, path))
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


def images(folder, testdata_gen):
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
        yield f"qemu-img {' '.join(options)}", kind, str(path), disk


def main():
    testdata_gen, imgprep = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:3])
    same, unable, wrong, unmet = {}, [], [], set(KNOWN)
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, path, disk in images(folder, testdata_gen):
            want = of_file(disk)
            if name.startswith("qemu-img"):
                ours = pathlib.Path(folder) / "ours.raw"
                ran = subprocess.run([imgprep, "convert", "-q", "--force", "--no-sync", path, ours], check=False)
                if ran.returncode != 0 or of_file(ours) != want:
                    wrong.append(f"imgprep reads {name} wrong or not at all")
            for reader, read in READERS.get(kind, {}).items():
                got = ask(read, path)
                if isinstance(got, str):
                    unable.append(f"{reader} can't read {name}: {got}")
                    continue
                if got == want:
                    same[reader, kind] = same.get((reader, kind), 0) + 1
                    continue
                rules = [rule for rule in KNOWN if re.fullmatch(rule[0], reader) and re.fullmatch(rule[1], name)]
                unmet.difference_update(rules[:1])
                if not rules:
                    wrong.append(f"{reader} reads other bytes of {name}: {got[0]} bytes, {want[0]} expected")
    for (reader, kind), count in sorted(same.items()):
        print(f"{reader} reads {count} images of {kind} as the recipe says")
    wrong += [f"{reader} reads only {same.get((reader, kind), 0)} images of {kind}" for (reader, kind), least in LEAST.items()
              if same.get((reader, kind), 0) < least]
    wrong += [f"nothing meets the rule {rule}" for rule in unmet]
    print(f"{len(unable)} times a reader said that it can't read an image")
    for line in (unable if "-v" in sys.argv else []) + wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
