"""Enclave images, ramdisks and programs made byte by byte, independently of casemate's own writers."""

import hashlib
import json
import struct
import zlib

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
HEADER, SECTION_HEADER = 548, 12

# The command line of AWS's blobs for x86-64.
AWS_CMDLINE = (b"reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux i8042.nopnp "
               b"i8042.dumbkbd random.trust_cpu=on")
AWS_METADATA = json.dumps({
    "ImageName": "forged", "ImageVersion": "1", "BuildMetadata": {
        "BuildTime": "2024-07-09T17:16:38.424202433+00:00", "BuildTool": "nitro-cli",
        "BuildToolVersion": "1.2.3", "OperatingSystem": "Linux", "KernelVersion": "4.14.256"},
    "DockerInfo": {}, "CustomMetadata": None}, separators=(",", ":")).encode()


def cpio(entries):
    """A newc archive of (name, mode, data)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def directory(name):
    return name, 0o040755, b""


def file(name, data, mode=0o644):
    return name, 0o100000 | mode, data


def elf(code, address=0x200000):
    """A program of one segment, as a vmlinux is one."""
    offset = 0x1000
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, address, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, len(code), len(code), 0x1000)
    return (header + segment).ljust(offset, b"\0") + code


# A first process that waits for ever: mov eax,34 (pause); syscall; jmp to the start.
SILENT = elf(bytes.fromhex("b822000000" "0f05" "ebf7"), 0x400000)
# The ramdisk that runs it, and no other: the guest never sends its heartbeat.
SILENT_RAMDISK = cpio([directory("dev"), file("init", SILENT, 0o755)])


def eif(sections, offsets=None, sizes=None, section_sizes=None, count=None, magic=b".eif"):
    """An image of (type, data) in file order with the right CRC; what is given lies about the rest."""
    body, places = b"", []
    for index, (kind, data) in enumerate(sections):
        places.append(HEADER + len(body))
        size = (section_sizes or {}).get(index, len(data))
        body += struct.pack(">HHQ", kind, 0, size) + data
    places = [(offsets or {}).get(index, place) for index, place in enumerate(places)]
    lengths = [(sizes or {}).get(index, len(data)) for index, (_, data) in enumerate(sections)]
    header = magic + struct.pack(">HHQQHH", 4, 0, 1 << 30, 2, 0,
                                 len(sections) if count is None else count)
    header += struct.pack(">32Q", *places, *[0] * (32 - len(places)))
    header += struct.pack(">32Q", *lengths, *[0] * (32 - len(lengths))) + bytes(4)
    return header + struct.pack(">I", zlib.crc32(body, zlib.crc32(header))) + body


def sections_of(contents):
    """The (type, data) of an image in the order of its header."""
    count, = struct.unpack_from(">H", contents, 0x1a)
    found = []
    for start in struct.unpack_from(f">{count}Q", contents, 0x1c):
        kind, _, size = struct.unpack_from(">HHQ", contents, start)
        start += SECTION_HEADER
        found.append((kind, contents[start:start + size]))
    return found


def pcrs(sections):
    """PCR0, PCR1 and PCR2 of sections, in hexadecimal."""
    measured = [(kind, data) for kind, data in sections if kind in (KERNEL, CMDLINE, RAMDISK)]
    ramdisks = [data for kind, data in measured if kind == RAMDISK]
    boot = [data for kind, data in measured if kind != RAMDISK]
    contents = (b"".join(data for _, data in measured), b"".join([*boot, ramdisks[0]]),
                b"".join(ramdisks[1:]))
    return {f"PCR{index}": hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).hexdigest()
            for index, content in enumerate(contents)}
