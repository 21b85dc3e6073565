"""Images read and written by an independent reader and writer, and what each verb makes of malformed ones."""

import dataclasses
import json
import struct
import unittest

import images
from images import ARM_IMAGE, BOOT_RAMDISK, CMDLINE, ImageTest, Signer, bz_image, eif, plain, vmlinux

SECTION_AT = eif.HEADER.size


def patched(image, at, data):
    """The image with other bytes at a place, and the CRC of all that."""
    return eif.with_crc(image[:at] + data + image[at + len(data):])


class Written(ImageTest):
    """What the independent writer writes."""

    def assert_read_alike(self, image, signature=None):
        self.write(image)
        shown = self.json("describe-eif")
        self.assertEqual(shown["EifVersion"], image.version)
        measured = {"HashAlgorithm": "Sha384 { ... }", **image.measurements()}
        self.assertEqual(shown["Measurements"], measured)
        self.assertIs(shown["CheckCRC"], True)
        self.assertEqual(shown.get("SignatureCheck"), signature)
        self.assertEqual(shown.get("ImageName"), (image.metadata() or {}).get("ImageName"))
        validated = json.loads(self.casemate("validate-eif", "--eif-path", self.image, "--output",
                                             "json").stdout)
        self.assertEqual(validated["Measurements"], measured)
        return validated

    def test_legal_images_of_every_kind(self):
        boot, more = (eif.RAMDISK, BOOT_RAMDISK), (eif.RAMDISK, images.APPLICATION_RAMDISK)
        kernel, line = (eif.KERNEL, vmlinux()), (eif.CMDLINE, CMDLINE)
        about = (eif.METADATA, eif.metadata_section("odd", "2", custom={"a": [1]}))
        cases = {
            "AWS's order": [kernel, line, about, boot, more],
            "metadata first": [about, kernel, boot, line, more],
            "metadata last": [kernel, boot, more, line, about],
            "command line behind the ramdisks": [kernel, about, boot, line],
            "one ramdisk": [kernel, line, about, boot],
            "29 ramdisks": [kernel, line, about, boot, *[more] * 28],
            "empty ramdisk": [kernel, line, about, boot, (eif.RAMDISK, b"")],
            "gzip": [kernel, line, about, (eif.RAMDISK, images.gzipped(BOOT_RAMDISK))],
        }
        for name, sections in cases.items():
            with self.subTest(name):
                self.assertTrue(self.assert_read_alike(eif.Image(sections))["WouldStart"])

    def test_versions_without_metadata(self):
        sections = [one for one in plain().sections if one[0] != eif.METADATA]
        for version in (2, 3):
            self.assertTrue(self.assert_read_alike(eif.Image(sections, version=version))["WouldStart"])
        signer = Signer()
        old = eif.Image(sections, version=3).signed(signer.key, signer.pem)
        self.assert_read_alike(old, signature=True)

    def test_other_values_of_what_nobody_reads(self):
        self.assert_read_alike(plain(memory=0, cpus=2**64 - 1))

    def test_signed_by_others_on_each_curve(self):
        for curve in images.CURVES:
            signer = Signer(curve)
            with self.subTest(curve):
                image = plain().signed(signer.key, signer.pem)
                self.assertTrue(self.assert_read_alike(image, signature=True)["WouldStart"])

    def test_aarch64_is_described_but_does_not_start_here(self):
        image = plain(arch=eif.AARCH64, kernel=ARM_IMAGE)
        validated = self.assert_read_alike(image)
        self.assertEqual((validated["WouldStart"], validated["ErrorCode"]), (False, "E35"))


class Read(ImageTest):
    """What Casemate writes, read by the independent reader."""

    def build(self, *options, kernel=None):
        parts = {"kernel": kernel or bz_image(), "first": BOOT_RAMDISK, "second": images.APPLICATION_RAMDISK}
        for name, data in parts.items():
            (self.folder / name).write_bytes(data)
        return self.run_program(
            images.EIF_BUILD, "--kernel", self.folder / "kernel", "--cmdline", CMDLINE.decode(), "--ramdisk",
            self.folder / "first", "--ramdisk", self.folder / "second", "--output", self.image, *options)

    def test_eif_builds_images(self):
        for curve in (None, *images.CURVES):
            with self.subTest(curve=curve):
                signing = Signer(curve).options(self.folder) if curve else []
                done = self.build("--name", "n", "--build-time", "2024-01-02T03:04:05+00:00", *signing)
                self.assertEqual(done.returncode, 0, done.stderr)
                head, _, rest = done.stdout.partition("\n")
                self.assertEqual(head, f"Output file: {self.image}")
                image = eif.read(self.image.read_bytes())
                self.assertEqual(json.loads(rest),
                                 {"HashAlgorithm": "Sha384 { ... }", **image.measurements()})
                kinds = [eif.KERNEL, eif.CMDLINE, eif.METADATA, eif.RAMDISK, eif.RAMDISK]
                self.assertEqual([kind for kind, _ in image.sections],
                                 kinds + ([eif.SIGNATURE] if curve else []))
                self.assertEqual((image.version, image.arch, image.memory, image.cpus, image.crc_good),
                                 (4, eif.X86_64, 1 << 30, 2, True))
                self.assertEqual(image.data(eif.CMDLINE), [CMDLINE])
                self.assertEqual(image.metadata()["BuildMetadata"]["BuildTime"], "2024-01-02T03:04:05+00:00")
                if curve:
                    self.assertTrue(image.signature_good())

    def test_signing_again_with_longer_and_shorter_certificates(self):
        """AWS's signer leaves the size of the first signature in the header's table."""
        self.write(plain())
        for curve, padding in (("P-384", 0), ("P-521", 50), ("P-256", 0), ("P-521", 30), ("P-384", 40)):
            signer = Signer(curve, padding=padding)
            done = self.casemate("sign-eif", "--eif-path", self.image, *signer.options(self.folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            # The reader insists on the same sizes in both places, and on nothing behind the end.
            image = eif.read(self.image.read_bytes())
            self.assertTrue(image.crc_good and image.signature_good())
            self.assertEqual(image.sections[:-1], plain().sections)
            self.assertEqual(image.signature()[0], signer.pem)
            self.assertEqual(json.loads(done.stdout)["Measurements"]["PCR8"], image.measurements()["PCR8"])


class Malformed(ImageTest):
    """Images that no reader may take: each verb says E35, E60 or E39 and writes nothing."""

    def cases(self):
        image = plain().to_bytes()
        header = bytearray(image[:eif.HEADER.size])
        second = struct.unpack_from(">Q", image, 0x1c + 8)[0]
        yield "nothing", b""
        yield "no image", b"#!/bin/sh\n" * 100
        yield "the magic alone", b".eif"
        yield "a header alone", bytes(header)
        for at in (1, 547, 549, 559, 561, second + 3, len(image) - 1):
            yield f"cut at {at}", image[:at]
        yield "more at the end", image + b"\0"
        yield "another section at the end", image + eif.SECTION.pack(eif.RAMDISK, 0, 0)
        for version in (0, 1, 5, 65535):
            yield f"version {version}", patched(image, 4, struct.pack(">H", version))
        yield "an unknown flag", patched(image, 6, struct.pack(">H", 2))
        yield "reserved", patched(image, 0x18, b"\0\1")
        yield "unused", patched(image, 0x21c, b"\0\0\0\1")
        for count in (0, 1, 4, 6, 32, 33, 65535):
            yield f"{count} sections", patched(image, 0x1a, struct.pack(">H", count))
        for slot, value in ((0, 0), (0, 549), (1, SECTION_AT), (2, 2**64 - 1), (4, 2**63), (5, 1), (31, 1)):
            yield f"offset {slot} is {value}", patched(image, 0x1c + 8 * slot, struct.pack(">Q", value))
            yield f"size {slot} is {value}", patched(image, 0x11c + 8 * slot, struct.pack(">Q", value))
        for kind in (0, 6, 255, 65535):
            yield f"section type {kind}", patched(image, SECTION_AT, struct.pack(">H", kind))
        yield "section flags", patched(image, SECTION_AT + 2, b"\0\1")
        for size in (0, 2**32, 2**64 - 1, 2**64 - 12):
            yield f"section size {size}", patched(image, SECTION_AT + 4, struct.pack(">Q", size))
            both = patched(image, SECTION_AT + 4, struct.pack(">Q", size))
            yield f"size {size} in both places", patched(both, 0x11c, struct.pack(">Q", size))
        good = plain().sections
        kernel, line, about, boot, more = good
        signature = (eif.SIGNATURE, eif.signature_section(self.signer.key, self.signer.pem, bytes(48)))
        for name, sections, version in (
                ("no kernel", [line, about, boot], 4), ("two kernels", [kernel, *good], 4),
                ("no command line", [kernel, about, boot], 4), ("two command lines", [*good, line], 4),
                ("no ramdisk", [kernel, line, about], 4), ("no metadata", [kernel, line, boot], 4),
                ("two metadata sections", [*good, about], 4),
                ("a ramdisk before the kernel", [boot, kernel, line, about], 4),
                ("two signatures", [*good, signature, signature], 4),
                ("metadata in version 3", good, 3),
                ("a signature in version 2", [kernel, line, boot, signature], 2),
                ("a signature that is too long", [*good, (eif.SIGNATURE, bytes(32769))], 4)):
            yield name, eif.Image(sections, version=version).to_bytes()

    @property
    def signer(self):
        if not hasattr(self, "_signer"):
            self._signer = Signer()
        return self._signer

    def test_every_verb_refuses(self):
        options = self.signer.options(self.folder)
        for name, contents in self.cases():
            with self.subTest(name):
                self.write(contents)
                if "too long" not in name:
                    with self.assertRaises(eif.Malformed):
                        eif.read(contents)
                for status, code, *arguments in (
                        (35, "E35", "describe-eif"), (35, "E35", "validate-eif"),
                        (60, "E60", "sign-eif", *options)):
                    done = self.casemate(arguments[0], "--eif-path", self.image, *arguments[1:])
                    self.assertEqual(done.returncode, status, f"{arguments[0]}: {done.stdout}{done.stderr}")
                    self.assertIn(f"[ {code} ] ", done.stderr)
                    self.assertEqual(done.stdout == "", arguments[0] != "validate-eif")
                self.assertEqual((self.left(), self.image.read_bytes()), (["image.eif"], contents))


class Described(ImageTest):
    """describe-eif's output to the byte."""

    def described(self):
        done = self.casemate("describe-eif", "--eif-path", self.image)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def expected(self, image, signer=None, crc=True, signature=None):
        lines = {"EifVersion": image.version,
                 "Measurements": {"HashAlgorithm": "Sha384 { ... }", **image.measurements()},
                 "IsSigned": signer is not None}
        if signer:
            certificate = signer.certificate
            date = "%b %e %H:%M:%S %Y GMT"
            lines["SigningCertificate"] = {
                "IssuerName": {"commonName": "signer", "countryName": "US"},
                "Algorithm": "ecdsa-with-SHA384",
                "NotBefore": certificate.not_valid_before.strftime(date),
                "NotAfter": certificate.not_valid_after.strftime(date),
                "Signature": ":".join(f"{byte:02x}" for byte in certificate.signature)}
        lines["CheckCRC"] = crc
        if signer:
            lines["SignatureCheck"] = signature
        if image.metadata():
            told = image.metadata()
            lines.update(ImageName=told["ImageName"], ImageVersion=told["ImageVersion"],
                         Metadata={**told["BuildMetadata"], "DockerInfo": told["DockerInfo"],
                                   **(told["CustomMetadata"] or {})})
        return json.dumps(lines, indent=2, ensure_ascii=False) + "\n"

    def test_unsigned_with_metadata_flattened(self):
        image = plain(metadata=eif.metadata_section(
            "näme", "1", custom={"Team": "a\n", "Round": [1, {"deep": None}], "Empty": {}, "n": 1.5}))
        self.write(image)
        self.assertEqual(self.described(), self.expected(image))

    def test_version_3(self):
        image = eif.Image([one for one in plain().sections if one[0] != eif.METADATA], version=3)
        self.write(image)
        self.assertEqual(self.described(), self.expected(image))

    def test_signed(self):
        for curve in images.CURVES:
            signer = Signer(curve)
            image = plain().signed(signer.key, signer.pem)
            self.write(image)
            self.assertEqual(self.described(), self.expected(image, signer, signature=True))

    def test_wrong_checksum(self):
        image = plain()
        contents = bytearray(image.to_bytes())
        contents[eif.CRC_AT] ^= 1
        self.write(bytes(contents))
        self.assertEqual(self.described(), self.expected(image, crc=False))

    def test_wrong_signatures(self):
        signer, other = Signer(), Signer()
        pcr0 = bytes.fromhex(plain().measurements()["PCR0"])
        for section in (eif.signature_section(signer.key, signer.pem, bytes(48)),
                        eif.signature_section(signer.key, signer.pem, pcr0, index=1),
                        eif.signature_section(other.key, signer.pem, pcr0)):
            image = dataclasses.replace(plain(), sections=[*plain().sections, (eif.SIGNATURE, section)])
            self.write(image)
            self.assertEqual(self.described(), self.expected(image, signer, signature=False))


if __name__ == "__main__":
    unittest.main(verbosity=2)
