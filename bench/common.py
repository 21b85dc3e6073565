"""What the benchmarks share: the build tree, an EIF's parts, the emulator's command line."""

import os
import pathlib
import statistics
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CASEMATE_BINARY_DIR", ROOT / "build"))
CASEMATE = BUILD / "bin/casemate"
KERNEL = pathlib.Path(os.environ.get("CASEMATE_KERNEL_DIR",
                                     pathlib.Path.home() / ".cache/casemate/kernel/current"))

# The software host's processor (src/softhost/launcher.cpp): without what the emulator can't do, and
# would warn of.
PROCESSOR = ("EPYC,+svm,+npt,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,"
             "-perfctr-core,-clzero,-xsaveerptr,-ibpb,-nrip-save,-xsavec,-xsaves")

# Section types of an EIF (format.hpp).
KERNEL_SECTION, COMMAND_LINE, RAMDISK = 1, 2, 3
HEADER_SIZE, SECTION_HEADER_SIZE = 548, 12


def parts_of(eif):
    """(kernel, command line, concatenated ramdisks) of an EIF."""
    data = eif.read_bytes()
    parts, position = {}, HEADER_SIZE
    while position < len(data):
        kind, _, size = struct.unpack_from(">HHQ", data, position)
        position += SECTION_HEADER_SIZE
        parts[kind] = parts.get(kind, b"") + data[position:position + size]
        position += size
    return parts[KERNEL_SECTION], parts[COMMAND_LINE].decode(), parts[RAMDISK]


def tsc_khz():
    """The real machine's TSC rate in kHz, which an emulated kernel can't find out by itself."""
    said = subprocess.run([CASEMATE, "doctor", "--output", "json"], capture_output=True, text=True,
                          check=False)
    if said.returncode == 0:
        import json
        rate = json.loads(said.stdout).get("TscKhz")
        if rate:
            return rate
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return int(float(line.split(":")[1]) * 1000)
    sys.exit("bench: expected 'cpu MHz' in /proc/cpuinfo; found none")


def emulator(memory_mib, processors=2):
    """QEMU's emulated machine, as the software host uses it."""
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "microvm,rtc=on,acpi=off",
            "-cpu", PROCESSOR, "-m", str(memory_mib), "-smp", str(processors), "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]


def summary(values):
    return (f"median {statistics.median(values):.2f} (min {min(values):.2f}, "
            f"max {max(values):.2f}, {len(values)} runs)")
