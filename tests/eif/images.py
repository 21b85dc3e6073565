"""What the tests of image files share: the programs, signers, and images made without Casemate."""

import datetime
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/oracles"), str(TREE / "tests/linux")]

import eif  # noqa: E402
from forge import cpio, directory, file  # noqa: E402

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
CASEMATE, EIF_BUILD = BINARY_DIR / "bin/casemate", BINARY_DIR / "bin/eif_build"
# A start that is refused before there is a machine is over in a moment; generous for busy builders.
SECONDS = 120
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def vmlinux(size=4096):
    """A kernel as far as anybody looks who does not start it: ELF for x86-64 with one segment."""
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0x1000000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, 0x1000000, 0x1000000, size, size, 0x1000)
    return (header + segment).ljust(0x1000, b"\0") + bytes(size)


def bz_image():
    """The same as a bzImage, of which eif_build and others look at the mark."""
    return bytes(0x202) + b"HdrS" + bytes(4096)


ARM_IMAGE = bytes(0x38) + b"ARM\x64" + bytes(4096)
CMDLINE = b"reboot=k panic=30 pci=off nomodules console=ttyS0"
BOOT_RAMDISK = cpio([directory("dev"), file("init", b"#!init", 0o755), file("nsm.ko", b"module")])
APPLICATION_RAMDISK = cpio([directory("rootfs"), file("cmd", b"/program\n"), file("env", b"")])


def plain(**changes):
    """An image that starts as far as can be said without starting it."""
    sections = [(eif.KERNEL, changes.pop("kernel", vmlinux())), (eif.CMDLINE, changes.pop("cmdline", CMDLINE)),
                (eif.METADATA, changes.pop("metadata", eif.metadata_section("hello", "1.0"))),
                *[(eif.RAMDISK, data) for data in
                  changes.pop("ramdisks", (BOOT_RAMDISK, APPLICATION_RAMDISK))]]
    return eif.Image(sections, **changes)


class Signer:
    """A key with its certificate, which begins and ends so many hours from now."""

    def __init__(self, curve="P-384", begins=-1, ends=48, padding=0):
        # Half an hour off, so that no count of days or hours changes during a test.
        now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)
        self.key = ec.generate_private_key(CURVES[curve])
        name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
                          x509.NameAttribute(NameOID.COMMON_NAME, "signer" + "s" * padding)])
        self.certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
            self.key.public_key()).serial_number(7).not_valid_before(
            now + datetime.timedelta(hours=begins)).not_valid_after(
            now + datetime.timedelta(hours=ends)).sign(self.key, hashes.SHA384())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def options(self, folder):
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(self.pem)
        key.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return ["--signing-certificate", certificate, "--private-key", key]


class ImageTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="casemate-eif.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.place = self.folder / "place"
        self.place.mkdir()
        self.image = self.place / "image.eif"
        self.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8",
            "NITRO_CLI_LOGS_PATH": str(self.folder / "none"),
            "CASEMATE_STATE_DIR": str(self.folder / "state"),
            "CASEMATE_RUNTIME_DIR": str(self.folder / "run"),
            "CASEMATE_CONFIG_DIR": str(self.folder / "config")}

    def run_program(self, program, *arguments, **changed):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False,
                              timeout=SECONDS, stdin=subprocess.DEVNULL, env={**self.environment, **changed})

    def casemate(self, *arguments, **changed):
        return self.run_program(CASEMATE, *arguments, **changed)

    def write(self, image):
        self.image.write_bytes(image.to_bytes() if isinstance(image, eif.Image) else image)

    def json(self, verb, *arguments, status=0):
        done = self.casemate(verb, "--eif-path", self.image, *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout)

    def left(self):
        """What stands where the image is."""
        return sorted(path.name for path in self.place.iterdir())


def gzipped(data):
    return gzip.compress(data, mtime=0)
