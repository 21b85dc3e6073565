#!/usr/bin/python3
"""Enclave images read and written by the format's specification alone: shares nothing with Casemate.

    eif.py EIF        prints what the image is, in JSON; exits with 1, saying why, where it is none

CBOR is Debian's python3-cbor2, certificates and signatures are python3-cryptography.
"""

import dataclasses
import hashlib
import json
import pathlib
import struct
import sys
import zlib

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = range(1, 6)
NAMES = {KERNEL: "kernel", CMDLINE: "cmdline", RAMDISK: "ramdisk", SIGNATURE: "signature",
         METADATA: "metadata"}
X86_64, AARCH64 = 0, 1
# magic, version, flags, default memory and CPUs, reserved, sections, their offsets and sizes, unused, CRC.
HEADER = struct.Struct(">4sHHQQHH32Q32QII")
SECTION = struct.Struct(">HHQ")
CRC_AT = HEADER.size - 4
SLOTS = 32
# By curve: COSE's number of the algorithm, its digest, the size of one half of a signature.
CURVES = {"secp256r1": (-7, hashes.SHA256(), 32), "secp384r1": (-35, hashes.SHA384(), 48),
          "secp521r1": (-36, hashes.SHA512(), 66)}


class Malformed(Exception):
    """Why bytes are no image."""


def expect(condition, sentence):
    if not condition:
        raise Malformed(f"expected {sentence}")


def register(content):
    """A register of zeros, extended once by the digest of what is measured."""
    return hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).digest()


def crc_of(image):
    return zlib.crc32(image[HEADER.size:], zlib.crc32(image[:CRC_AT]))


@dataclasses.dataclass
class Image:
    """What an image says. sections are (type, data) in the order of the file."""
    sections: list
    version: int = 4
    arch: int = X86_64
    memory: int = 1 << 30
    cpus: int = 2
    crc: int = 0
    crc_good: bool = True

    def data(self, kind):
        return [data for found, data in self.sections if found == kind]

    def measurements(self):
        measured = [(kind, data) for kind, data in self.sections if kind in (KERNEL, CMDLINE, RAMDISK)]
        first = next(index for index, (kind, _) in enumerate(measured) if kind == RAMDISK)
        boot = [data for index, (kind, data) in enumerate(measured) if kind != RAMDISK or index == first]
        found = {"PCR0": register(b"".join(data for _, data in measured)),
                 "PCR1": register(b"".join(boot)),
                 "PCR2": register(b"".join(self.data(RAMDISK)[1:]))}
        if self.data(SIGNATURE):
            found["PCR8"] = register(self.certificate().public_bytes(serialization.Encoding.DER))
        return {name: value.hex() for name, value in found.items()}

    def metadata(self):
        found = self.data(METADATA)
        return json.loads(found[0]) if found else None

    def signature(self):
        """The one entry of the signature section: the certificate's file and the COSE_Sign1."""
        section, = self.data(SIGNATURE)
        entries = cbor2.loads(section)
        expect(cbor2.dumps(entries) == section, "CBOR in its shortest form")
        expect(len(entries) == 1 and list(entries[0]) == ["signing_certificate", "signature"],
               "an array of one map of two keys")
        return bytes(entries[0]["signing_certificate"]), bytes(entries[0]["signature"])

    def certificate(self):
        return x509.load_pem_x509_certificate(self.signature()[0])

    def signature_good(self):
        """Whether the certificate's key has signed this image's PCR0."""
        key = self.certificate().public_key()
        expect(isinstance(key, ec.EllipticCurvePublicKey), "a key on a curve")
        number, digest, half = CURVES[key.curve.name]
        protected, unprotected, payload, signature = cbor2.loads(self.signature()[1])
        pcr0 = bytes.fromhex(self.measurements()["PCR0"])
        if (cbor2.loads(protected), unprotected, len(signature)) != ({1: number}, {}, 2 * half) or \
                payload != payload_of(pcr0):
            return False
        halves = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        try:
            key.verify(utils.encode_dss_signature(*halves), signed_bytes(protected, payload),
                       ec.ECDSA(digest))
        except InvalidSignature:
            return False
        return True

    def to_bytes(self):
        body, offsets, sizes = b"", [], []
        for kind, data in self.sections:
            offsets.append(HEADER.size + len(body))
            sizes.append(len(data))
            body += SECTION.pack(kind, 0, len(data)) + data
        empty = [0] * (SLOTS - len(offsets))
        header = HEADER.pack(b".eif", self.version, self.arch, self.memory, self.cpus, 0, len(offsets),
                             *offsets, *empty, *sizes, *empty, 0, 0)
        return with_crc(header + body)

    def signed(self, key, certificate_pem):
        """The same image with a signature by the key."""
        unsigned = dataclasses.replace(
            self, sections=[one for one in self.sections if one[0] != SIGNATURE])
        pcr0 = bytes.fromhex(unsigned.measurements()["PCR0"])
        section = signature_section(key, certificate_pem, pcr0)
        return dataclasses.replace(unsigned, sections=[*unsigned.sections, (SIGNATURE, section)])


def with_crc(image):
    return image[:CRC_AT] + struct.pack(">I", crc_of(image)) + image[HEADER.size:]


def payload_of(value, index=0):
    return cbor2.dumps({"register_index": index, "register_value": list(value)})


def signed_bytes(protected, payload):
    return cbor2.dumps(["Signature1", protected, b"", payload])


def signature_section(key, certificate_pem, value, index=0):
    number, digest, half = CURVES[key.curve.name]
    protected, payload = cbor2.dumps({1: number}), payload_of(value, index)
    der = key.sign(signed_bytes(protected, payload), ec.ECDSA(digest))
    raw = b"".join(part.to_bytes(half, "big") for part in utils.decode_dss_signature(der))
    message = cbor2.dumps([protected, {}, payload, raw])
    return cbor2.dumps([{"signing_certificate": list(certificate_pem), "signature": list(message)}])


def metadata_section(name, version, custom=None, **build):
    told = {"BuildTime": "2024-07-09T17:16:38.424202433+00:00", "BuildTool": "nitro-cli",
            "BuildToolVersion": "1.4.0", "OperatingSystem": "Linux", "KernelVersion": "4.14.256", **build}
    return json.dumps({"ImageName": name, "ImageVersion": version, "BuildMetadata": told,
                       "DockerInfo": {"Id": "sha256:00"}, "CustomMetadata": custom},
                      separators=(",", ":")).encode()


def read(image):
    """The Image in bytes. Sections are walked from header to header, as AWS's reader does, and
    compared with the tables of the file's header, which QEMU's uses."""
    expect(len(image) >= HEADER.size, f"{HEADER.size} bytes of header, found {len(image)}")
    magic, version, flags, memory, cpus, reserved, count, *rest = HEADER.unpack_from(image)
    offsets, sizes, (unused, crc) = rest[:SLOTS], rest[SLOTS:2 * SLOTS], rest[2 * SLOTS:]
    expect(magic == b".eif", f"'.eif', found {magic!r}")
    expect(2 <= version <= 4, f"version 2 to 4, found {version}")
    expect(flags in (X86_64, AARCH64), f"no flag but the architecture's, found {flags:#x}")
    expect((reserved, unused) == (0, 0), "reserved fields that are 0")
    expect(2 <= count <= SLOTS, f"2 to {SLOTS} sections, found {count}")
    at, sections = HEADER.size, []
    while at < len(image):
        number = len(sections)
        expect(at + SECTION.size <= len(image), "a whole section header")
        kind, section_flags, size = SECTION.unpack_from(image, at)
        expect(kind in NAMES, f"a section of a known type, found {kind}")
        expect(section_flags == 0, f"no flags of section {number}, found {section_flags:#x}")
        expect(number < count, f"{count} sections, found more")
        expect((offsets[number], sizes[number]) == (at, size),
               f"section {number} where and as long as the tables say")
        expect(at + SECTION.size + size <= len(image), f"all of section {number}")
        sections.append((kind, image[at + SECTION.size:at + SECTION.size + size]))
        at += SECTION.size + size
    expect(len(sections) == count, f"{count} sections, found {len(sections)}")
    expect(not any(offsets[count:]) and not any(sizes[count:]), "zeros behind the tables' ends")
    check_order([kind for kind, _ in sections], version)
    return Image(sections, version, flags, memory, cpus, crc, crc == crc_of(image))


def check_order(kinds, version):
    for kind in (KERNEL, CMDLINE):
        expect(kinds.count(kind) == 1, f"one {NAMES[kind]}, found {kinds.count(kind)}")
    expect(RAMDISK in kinds, "a ramdisk")
    expect(kinds.index(RAMDISK) > kinds.index(KERNEL), "ramdisks behind the kernel")
    for kind, since in ((SIGNATURE, 3), (METADATA, 4)):
        expect(kinds.count(kind) <= (version >= since), f"at most one {NAMES[kind]}")
    expect(version < 4 or METADATA in kinds, "metadata in version 4")


def main():
    try:
        image = read(pathlib.Path(sys.argv[1]).read_bytes())
    except Malformed as why:
        print(f"refused: {why}")
        return 1
    print(json.dumps({
        "version": image.version, "arch": image.arch, "memory": image.memory, "cpus": image.cpus,
        "crc": image.crc_good, "sections": [[NAMES[kind], len(data)] for kind, data in image.sections],
        "measurements": image.measurements(), "metadata": image.metadata(),
        "signature": image.signature_good() if image.data(SIGNATURE) else None}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
