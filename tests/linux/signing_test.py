"""Signed images from end to end: what others find of the signature, and what starts with it."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import forge
from attestation_test import NONCE, TREE, ZERO, AttestationTest, attest, extended
from harness import GUEST_EIF, Enclave, Machine

sys.path.append(str(TREE / "tests/oracles"))

import eif  # noqa: E402
from check_image_signature import ALGORITHMS  # noqa: E402

CHECK = TREE / "tests/oracles/check_image_signature.py"
CURVES = ("P-256", "P-384", "P-521")


def oracle(image):
    """Status and text of the independent check."""
    done = subprocess.run(["/usr/bin/python3", "-B", CHECK, image], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout.strip() + done.stderr


def make_signer(directory, curve="P-384", name="signer"):
    """A key and its self-signed certificate; OpenSSL's, as people make them for AWS."""
    key, certificate = directory / f"{name}-key.pem", directory / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    f"/C=US/CN={name}"], check=True, capture_output=True)
    return ["--signing-certificate", certificate, "--private-key", key]


def section(signer, value, index=0):
    """A signature section over a register's value, by the format alone."""
    _, certificate, _, path = signer
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    number, digest, half = ALGORITHMS[key.curve.name]
    protected = cbor2.dumps({1: number})
    payload = cbor2.dumps({"register_index": index, "register_value": list(value)})
    der = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]), ec.ECDSA(digest))
    raw = b"".join(part.to_bytes(half, "big") for part in utils.decode_dss_signature(der))
    message = cbor2.dumps([protected, {}, payload, raw])
    return cbor2.dumps([{"signing_certificate": list(certificate.read_bytes()),
                         "signature": list(message)}])


class Signatures(unittest.TestCase):
    """What needs no enclave that starts."""

    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        directory = tempfile.TemporaryDirectory(prefix="casemate-signing.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.image = self.directory / "image.eif"
        self.image.write_bytes(forge.eif([
            (forge.KERNEL, b"kernel"), (forge.CMDLINE, forge.AWS_CMDLINE),
            (forge.METADATA, forge.AWS_METADATA), (forge.RAMDISK, b"one"), (forge.RAMDISK, b"two")]))

    def sign(self, signer):
        return self.machine.json("sign-eif", "--eif-path", self.image, *signer)["Measurements"]

    def test_others_find_the_signature_good_also_after_a_second_one(self):
        before = self.image.read_bytes()
        for curve in (*CURVES, *reversed(CURVES)):
            with self.subTest(curve=curve):
                measured = self.sign(make_signer(self.directory, curve))
                self.assertEqual(oracle(self.image), (0, measured["PCR8"]))
                # The checksum too is what another makes of the same sections.
                found = forge.sections_of(self.image.read_bytes())
                self.assertEqual(self.image.read_bytes(), forge.eif(found))
                self.assertEqual(forge.eif(found[:-1]), before)
                self.assertEqual({name: measured[name] for name in ("PCR0", "PCR1", "PCR2")},
                                 forge.pcrs(found))

    def test_signatures_by_others_are_good_too(self):
        unsigned = forge.sections_of(self.image.read_bytes())
        pcr0 = bytes.fromhex(forge.pcrs(unsigned)["PCR0"])
        for curve in CURVES:
            signer = make_signer(self.directory, curve)
            der = x509.load_pem_x509_certificate(signer[1].read_bytes()).public_bytes(
                serialization.Encoding.DER)
            for what, good in ((section(signer, pcr0), True), (section(signer, pcr0, 8), False),
                               (section(signer, ZERO), False)):
                with self.subTest(curve=curve, good=good):
                    self.image.write_bytes(forge.eif([*unsigned, (forge.SIGNATURE, what)]))
                    shown = self.machine.json("describe-eif", "--eif-path", self.image)
                    self.assertEqual((shown["SignatureCheck"], shown["CheckCRC"]), (good, True))
                    self.assertEqual(oracle(self.image)[0], 0 if good else 1)
                    self.assertEqual(shown["Measurements"]["PCR8"], extended(
                        hashlib.sha384(der).digest()).hex())

    def test_a_signature_of_another_image_is_seen(self):
        self.sign(make_signer(self.directory))
        found = forge.sections_of(self.image.read_bytes())
        self.image.write_bytes(forge.eif([(kind, data + b"!" if data == b"two" else data)
                                          for kind, data in found]))
        self.assertEqual(oracle(self.image)[0], 1)
        shown = self.machine.json("describe-eif", "--eif-path", self.image)
        self.assertEqual((shown["IsSigned"], shown["SignatureCheck"], shown["CheckCRC"]),
                         (True, False, True))


class Enclaves(AttestationTest):

    def test_the_signer_is_in_the_document(self):
        image = self.directory / "signed.eif"
        shutil.copyfile(GUEST_EIF, image)
        signed = self.machine.json("sign-eif", "--eif-path", image, *make_signer(self.directory))
        pcr8 = signed["Measurements"]["PCR8"]
        self.assertEqual(oracle(image), (0, pcr8))
        start = self.run_enclave(eif=image)
        self.assertEqual(start.returncode, 0, start.stderr)
        enclave = Enclave(self.machine, json.loads(start.stdout))
        document = attest(enclave, nonce=NONCE)
        allowed = [] if enclave.record()["Acceleration"] == "kvm" else ["--allow-isolation", "software"]
        verdict = self.verify(document, f"--pcr=8={pcr8}", *allowed, eif=image)
        self.assertEqual(verdict["PCRs"]["PCR8"], pcr8)
        # The image alone, without a signature, has the other registers; this one is not any.
        self.verify(document, *allowed)
        self.assert_refused("pcr_mismatch", document, f"--pcr=8={ZERO.hex()}", *allowed)
        described, = self.machine.json("describe-enclaves")
        self.assertEqual(described["Measurements"], signed["Measurements"])

    def test_an_image_by_another_writer_is_loaded_and_measured_as_that_says(self):
        """Another order than AWS's, three ramdisks, signed by Python: what runs attests to the registers that
        the independent reader computes."""
        kernel, line, about, *ramdisks = eif.read(GUEST_EIF.read_bytes()).sections
        more = eif.RAMDISK, forge.cpio([forge.file("another", b"ramdisk")])
        signer = make_signer(self.directory)
        key = serialization.load_pem_private_key(signer[3].read_bytes(), None)
        image = eif.Image([about, kernel, *ramdisks, more, line]).signed(key, signer[1].read_bytes())
        path = self.directory / "another.eif"
        path.write_bytes(image.to_bytes())
        start = self.run_enclave(eif=path)
        self.assertEqual(start.returncode, 0, start.stderr)
        enclave = Enclave(self.machine, json.loads(start.stdout))
        self.addCleanup(enclave.terminate)
        described, = self.machine.json("describe-enclaves")
        measured = image.measurements()
        self.assertEqual(described["Measurements"], {"HashAlgorithm": "Sha384 { ... }", **measured})
        allowed = [] if enclave.record()["Acceleration"] == "kvm" else ["--allow-isolation", "software"]
        self.verify(attest(enclave, nonce=NONCE), *allowed, eif=path, *[
            f"--pcr={name[3:]}={value}" for name, value in measured.items()])

    def test_a_signature_that_does_not_hold_starts_nothing(self):
        image = self.directory / "changed.eif"
        shutil.copyfile(GUEST_EIF, image)
        self.machine.json("sign-eif", "--eif-path", image, *make_signer(self.directory))
        found = forge.sections_of(image.read_bytes())
        image.write_bytes(forge.eif([(kind, data + b" quiet" if kind == forge.CMDLINE else data)
                                     for kind, data in found]))
        start = self.run_enclave(eif=image)
        self.assertEqual(start.returncode, 39, start.stderr)
        self.assertEqual(start.stdout, "")
        self.assertIn("[ E59 ] ", start.stderr)
        self.assertIn("expected a signature over PCR0", start.stderr)
        self.assertIn("Failed connections: 1", start.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
