"""The independent verifiers judge a real document of AWS: what takes ours has to be able to refuse."""

import datetime
import pathlib
import subprocess
import tempfile
import unittest

import cbor2

import oracles

GOLDEN = oracles.HERE.parent / "golden"
DOCUMENT = (GOLDEN / "aws-attestation-document.cbor").read_bytes()
ROOT = GOLDEN / "aws-nitro-enclaves-root.pem"
MADE = datetime.datetime(2022, 10, 13, 8, 58, 2, tzinfo=datetime.timezone.utc)
FIELDS = cbor2.loads(cbor2.loads(DOCUMENT)[2])


class Golden(unittest.TestCase):
    oracle = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-oracle.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def judge(self, document=DOCUMENT, root=ROOT, at=MADE, **expected):
        path = self.directory / "document"
        path.write_bytes(document)
        return type(self).oracle(path, root, at=at, **expected)

    def assert_refused(self, found, why):
        self.assertFalse(found[0], found[1])
        self.assertIn(why, found[1])

    def other_root(self):
        """Self-signed, with AWS's names."""
        path = self.directory / "root.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:secp384r1", "-nodes", "-keyout", "/dev/null", "-out", path,
                        "-days", "1", "-subj", "/C=US/O=Amazon/OU=AWS/CN=aws.nitro-enclaves"],
                       check=True, capture_output=True)
        return path


class OfEveryone:
    """What all of them find out."""
    stale, flipped, strange_root = "", "", ""

    def test_a_document_of_aws_at_its_time(self):
        good, text = self.judge()
        self.assertTrue(good, text)

    def test_its_certificates_have_expired(self):
        self.assert_refused(self.judge(at=None), self.stale)

    def test_its_certificates_are_not_valid_yet(self):
        self.assert_refused(self.judge(at=MADE - datetime.timedelta(minutes=1)), self.stale)

    def test_a_bit_of_the_signature(self):
        self.assert_refused(self.judge(DOCUMENT[:-1] + bytes([DOCUMENT[-1] ^ 1])), self.flipped)

    def test_a_bit_of_the_payload(self):
        at = DOCUMENT.index(FIELDS["nonce"])
        changed = DOCUMENT[:at] + bytes([DOCUMENT[at] ^ 1]) + DOCUMENT[at + 1:]
        self.assert_refused(self.judge(changed), self.flipped)

    def test_another_root_of_the_same_name(self):
        self.assert_refused(self.judge(root=self.other_root()), self.strange_root)


class Checker(OfEveryone, Golden):
    oracle = oracles.checker
    stale, flipped, strange_root = "valid at", "expected the leaf's signature", "refused: expected root"

    def test_its_shape_nonce_registers_and_labels(self):
        good, text = self.judge(nonce=FIELDS["nonce"], pcrs=FIELDS["pcrs"].items(),
                                options=["--shape", "--labels", "AWS"])
        self.assertTrue(good, text)

    def test_another_nonce(self):
        self.assert_refused(self.judge(nonce=b"another"), "expected the nonce 616e6f74686572")

    def test_another_register(self):
        self.assert_refused(self.judge(pcrs=[(0, bytes(48))]), "expected PCR0 0000")

    def test_a_register_that_is_not_there(self):
        self.assert_refused(self.judge(pcrs=[(16, bytes(48))]), "found none")

    def test_other_labels(self):
        self.assert_refused(self.judge(options=["--labels", "software"]), "the labels software")

    def test_the_tag_may_be_there(self):
        good, text = self.judge(b"\xd2" + DOCUMENT)
        self.assertTrue(good, text)

    def test_bytes_behind_it(self):
        self.assert_refused(self.judge(DOCUMENT + b"\0"), "shortest form")

    def test_a_tag_that_is_another(self):
        self.assert_refused(self.judge(b"\xd1" + DOCUMENT), "COSE_Sign1's, 18")

    def test_what_is_none(self):
        for document in (b"", b"\x84", b"\xff", b"\xa0", DOCUMENT[:100], b"\x81" * 100000):
            self.assert_refused(self.judge(document), "refused: ")


class TeeVerifier(OfEveryone, Golden):
    oracle = oracles.tee_verifier
    stale, flipped = "the chain of certificates", "the signature"
    strange_root = "the root 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"

    def test_its_registers(self):
        good, text = self.judge(pcrs=FIELDS["pcrs"].items())
        self.assertTrue(good, text)

    def test_another_nonce(self):
        self.assert_refused(self.judge(nonce=b"another"), "the nonce")

    def test_another_register(self):
        self.assert_refused(self.judge(pcrs=[(0, bytes(48))]), "PCR0")


class OpenSsl(OfEveryone, Golden):
    oracle = oracles.openssl
    stale, flipped, strange_root = "verification failed", "Verification failure", "verification failed"


if __name__ == "__main__":
    unittest.main(verbosity=2)
