"""Attestation from end to end: documents that a guest asks for, judged by `casemate verify` and by others."""

import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import cbor2

from harness import BINARY_DIR, CASEMATE, BOOT_SECONDS, GUEST_EIF, Enclave, LinuxGuestTest
from lifecycle_test import nsm

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(TREE / "tests/oracles"))

import oracles  # noqa: E402

INSTANCE = "i-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/attested"
NONCE = b"a nonce of the client's"
ZERO = bytes(48)


def extended(data):
    """A register that was zero and has been extended once."""
    return hashlib.sha384(ZERO + data).digest()


def request(enclave, name, **fields):
    """The security module's answer to a request of the guest's, whatever it is."""
    return nsm(enclave, f"raw {cbor2.dumps({name: fields}).hex()}")


def attest(enclave, user_data=None, nonce=None, public_key=None):
    answer = request(enclave, "Attestation", user_data=user_data, nonce=nonce, public_key=public_key)
    return answer["Attestation"]["document"]


class AttestationTest(LinuxGuestTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(prefix="casemate-attestation.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.root = cls.machine.state / "authority/root.pem"

    @classmethod
    def run_enclave(cls, *options, eif=GUEST_EIF, memory=256):
        return cls.machine.run("run-enclave", "--eif-path", eif, "--cpu-count", 1, "--memory", memory,
                               *options)

    def saved(self, document):
        path = self.directory / "document"
        path.write_bytes(document)
        return path

    def verify(self, document, *options, status=0, eif=GUEST_EIF):
        """`casemate verify` of a document that the client's nonce is in; gives its verdict."""
        done = self.machine.run("verify", "--document", self.saved(document), "--root", self.root,
                                "--eif", eif, "--nonce", NONCE.hex(), "--max-age", BOOT_SECONDS,
                                "--output", "json", *options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def assert_refused(self, code, document, *options, **others):
        verdict = self.verify(document, *options, status=1, **others)
        self.assertEqual(list(verdict), ["Verified", "Error", "Message"])
        self.assertEqual((verdict["Verified"], verdict["Error"]), (False, code), verdict["Message"])
        return verdict["Message"]


class Documents(AttestationTest):
    """Two enclaves, one of them in debug mode, both the first ones of this machine: started at once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.configuration.mkdir()
        (cls.machine.configuration / "instance.yaml").write_text(
            f"instance_id: {INSTANCE}\nregion: eu-test-1\nrole_arn: {ROLE}\n")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            cls.starts = list(pool.map(lambda options: cls.run_enclave(*options),
                                       ((), ("--debug-mode",))))
        for start in cls.starts:
            if start.returncode != 0:
                raise AssertionError(f"run-enclave: expected status 0, got {start.returncode}\n"
                                     f"{start.stderr}")
        cls.enclave, cls.debugged = (Enclave(cls.machine, json.loads(start.stdout))
                                     for start in cls.starts)
        cls.isolation = {"kvm": "kvm"}.get(cls.enclave.record()["Acceleration"], "software")
        # What a client on this machine has to allow.
        cls.allowed = ["--allow-isolation", "software"] if cls.isolation == "software" else []

    def measurements(self):
        return self.machine.json("describe-eif", "--eif-path", GUEST_EIF)["Measurements"]

    def test_two_first_enclaves_make_one_authority_and_say_so_once(self):
        sentence = ("Made this machine's attestation authority; its root certificate is "
                    f"{self.root}\n")
        self.assertEqual(sorted(start.stderr.count(sentence) for start in self.starts), [0, 1],
                         [start.stderr for start in self.starts])
        roots = {cbor2.loads(cbor2.loads(attest(enclave))[2])["cabundle"][0]
                 for enclave in (self.enclave, self.debugged)}
        self.assertEqual(len(roots), 1)
        self.assertEqual(oracles.fingerprint(self.root), hashlib.sha256(*roots).hexdigest())
        self.assertEqual(self.root.stat().st_mode & 0o777, 0o644)
        for path in self.root.parent.iterdir():
            if path != self.root:
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_a_document_says_what_runs_where(self):
        document = attest(self.enclave, b"user's data", NONCE, b"a key")
        verdict = self.verify(document, *self.allowed)
        described = nsm(self.enclave, "describe")["DescribeNSM"]
        slot = int(self.enclave.id.split("-enc")[1], 16)
        self.assertEqual(verdict["ModuleId"], f"{INSTANCE}-enc{slot:016x}")
        self.assertEqual(verdict["ModuleId"], described["module_id"])
        self.assertEqual((verdict["Verified"], verdict["Isolation"], verdict["Debug"]),
                         (True, self.isolation, False))
        for name, value in (("UserData", b"user's data"), ("Nonce", NONCE), ("PublicKey", b"a key")):
            self.assertEqual(base64.b64decode(verdict[name]), value)
        self.assertEqual(verdict["RootFingerprint"], oracles.fingerprint(self.root))
        measured = self.measurements()
        for index in (0, 1, 2):
            self.assertEqual(verdict["PCRs"][f"PCR{index}"], measured[f"PCR{index}"])
        self.assertEqual(verdict["PCRs"]["PCR3"], extended(ROLE.encode()).hex())
        self.assertEqual(verdict["PCRs"]["PCR4"], extended(INSTANCE.encode()).hex())
        for index in range(5, 16):
            self.assertEqual(verdict["PCRs"][f"PCR{index}"], ZERO.hex())

    def test_a_document_without_anything_of_the_enclaves(self):
        fields = cbor2.loads(cbor2.loads(attest(self.enclave))[2])
        self.assertEqual((fields["public_key"], fields["user_data"], fields["nonce"]), (None,) * 3)

    def test_base64_on_standard_input_is_a_document_too(self):
        encoded = base64.encodebytes(attest(self.enclave, nonce=NONCE))
        done = subprocess.run([CASEMATE, "verify", "--document", "-", "--root", self.root, "--explain",
                               *self.allowed], input=encoded, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn(b"FAILED", done.stdout)
        self.assertIn(b"Verified.", done.stdout)

    def test_software_isolation_is_refused_by_default(self):
        if self.isolation != "software":
            raise unittest.SkipTest("SKIPPED: enclaves have hardware virtualization here")
        message = self.assert_refused("isolation_refused", attest(self.enclave, nonce=NONCE))
        self.assertIn("software", message)

    def test_what_was_asked_for_somebody_else_is_refused(self):
        self.assert_refused("nonce_mismatch", attest(self.enclave, nonce=NONCE + b"!"), *self.allowed)
        self.assert_refused("nonce_mismatch", attest(self.enclave), *self.allowed)

    def test_another_image_is_refused(self):
        other = self.directory / "other.eif"
        self.machine.json("build-enclave", "--docker-uri", f"dir:{BINARY_DIR}/tests/guest-root",
                          "--output-file", other, "--", "/bin/guest-peer", "serve", "others")
        message = self.assert_refused("pcr_mismatch", attest(self.enclave, nonce=NONCE), *self.allowed,
                                      eif=other)
        self.assertIn("PCR0", message)

    def test_a_document_is_refused_later_and_earlier(self):
        document = attest(self.enclave, nonce=NONCE)
        self.assert_refused("expired", document, "--at", "2090-01-01T00:00:00Z", *self.allowed)
        self.assert_refused("not_yet_valid", document, "--at", "2020-01-01T00:00:00Z", *self.allowed)

    def test_debug_mode_is_refused_unless_allowed(self):
        document = attest(self.debugged, nonce=NONCE)
        self.assert_refused("debug_refused", document, *self.allowed)
        # Allowed or not, it does not run the image as far as anybody can tell.
        self.assert_refused("pcr_mismatch", document, "--allow-debug", *self.allowed)
        done = self.machine.run("verify", "--document", self.saved(document), "--root", self.root,
                                "--nonce", NONCE.hex(), "--allow-debug", "--output", "json",
                                *self.allowed)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        verdict = json.loads(done.stdout)
        self.assertEqual((verdict["Debug"], verdict["Isolation"]), (True, self.isolation))
        for index in (0, 1, 2):
            self.assertEqual(verdict["PCRs"][f"PCR{index}"], ZERO.hex())
        self.assertEqual(verdict["PCRs"]["PCR4"], extended(INSTANCE.encode()).hex())
        good, text = oracles.checker(self.saved(document), self.root, options=[
            "--allow-debug", "--shape", "--labels", f"{self.isolation},debug"])
        self.assertTrue(good, text)
        self.assertFalse(oracles.checker(self.saved(document), self.root)[0])

    def test_registers_of_the_enclaves_own_appear_once_they_are_locked(self):
        for index in (16, 17, 31):
            answer = request(self.enclave, "ExtendPCR", index=index, data=b"measured later")
            self.assertEqual(answer, {"ExtendPCR": {"data": extended(b"measured later")}})
        for index in (16, 31):
            self.assertEqual(request(self.enclave, "LockPCR", index=index), "LockPCR")
        document = attest(self.enclave, nonce=NONCE)
        pcrs = cbor2.loads(cbor2.loads(document)[2])["pcrs"]
        self.assertEqual(list(pcrs), [*range(17), 31])
        value = extended(b"measured later")
        self.assertEqual((pcrs[16], pcrs[31]), (value, value))
        self.verify(document, f"--pcr=16={value.hex()}", *self.allowed)
        self.assert_refused("pcr_mismatch", document, f"--pcr=16={ZERO.hex()}", *self.allowed)
        self.assert_refused("pcr_missing", document, f"--pcr=17={value.hex()}", *self.allowed)
        self.assertEqual(request(self.enclave, "ExtendPCR", index=16, data=b"x"),
                         {"Error": "ReadOnlyIndex"})

    def test_fields_of_1024_bytes_come_through_and_longer_ones_do_not(self):
        longest = {name: os.urandom(1024) for name in ("user_data", "public_key", "nonce")}
        verified = self.machine.run(
            "verify", "--document", self.saved(attest(self.enclave, **longest)), "--root", self.root,
            "--nonce", longest["nonce"].hex(), "--output", "json", *self.allowed)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        verdict = json.loads(verified.stdout)
        for name, title in (("user_data", "UserData"), ("public_key", "PublicKey"), ("nonce", "Nonce")):
            self.assertEqual(base64.b64decode(verdict[title]), longest[name])
            fields = dict.fromkeys(longest, None) | {name: bytes(1025)}
            self.assertEqual(request(self.enclave, "Attestation", **fields), {"Error": "InputTooLarge"})
        self.verify(attest(self.enclave, nonce=NONCE), *self.allowed)

    def test_verifiers_by_others_take_it_and_refuse_what_is_changed(self):
        document = attest(self.enclave, b"user's data", NONCE, b"a key")
        pcrs = [(index, bytes.fromhex(self.measurements()[f"PCR{index}"])) for index in (0, 1, 2)]
        wrong = [*pcrs[:2], (2, ZERO)]
        flipped = document[:-1] + bytes([document[-1] ^ 1])
        for oracle in oracles.ALL:
            with self.subTest(oracle=oracle.__name__):
                expectations = {} if oracle is oracles.openssl else {"nonce": NONCE, "pcrs": pcrs}
                good, text = oracle(self.saved(document), self.root, **expectations)
                self.assertTrue(good, text)
                for other in ({"nonce": b"another"}, {"pcrs": wrong}) if expectations else ():
                    good, text = oracle(self.saved(document), self.root, **(expectations | other))
                    self.assertFalse(good, text)
                good, text = oracle(self.saved(flipped), self.root, **expectations)
                self.assertFalse(good, text)
                good, text = oracle(self.saved(document), TREE / "tests/golden/aws-nitro-enclaves-root.pem")
                self.assertFalse(good, text)
        good, text = oracles.checker(self.saved(document), self.root, options=[
            "--shape", "--labels", self.isolation])
        self.assertTrue(good, text)


class AttestedHello(AttestationTest):
    """The sample: its image, its enclave, its client, with the real verifier between them."""

    sample = TREE / "samples/attested-hello"
    layout = BINARY_DIR / "tests/attested-hello"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        built = subprocess.run([cls.sample / "build-image", cls.layout], capture_output=True, text=True,
                               check=False)
        if built.returncode != 0 and "expected apt to" in built.stderr:
            if not os.environ.get("CASEMATE_REQUIRE_ORACLES"):
                raise unittest.SkipTest(f"SKIPPED: {built.stderr.strip()}")
        if built.returncode != 0:
            raise AssertionError(built.stderr)
        cls.eif = cls.directory / "hello.eif"
        cls.machine.json("build-enclave", "--docker-uri", f"oci:{cls.layout}:attested-hello",
                         "--output-file", cls.eif)
        cls.enclave = cls.machine.start(eif=cls.eif, memory=512)

    def client(self, *options, eif=None):
        return subprocess.run(
            [self.sample / "client.py", "--cid", str(self.enclave.cid), "--wait", "120", "--eif",
             eif or self.eif, "--root", self.root, "--casemate", CASEMATE, *options, "a secret"],
            env=self.machine.environment, capture_output=True, text=True, check=False,
            timeout=BOOT_SECONDS)

    def test_says_hello_to_the_right_enclave_only(self):
        if self.enclave.record()["Acceleration"] != "kvm":
            refused = self.client()
            self.assertEqual((refused.returncode, refused.stdout), (1, ""), refused.stderr)
            self.assertIn("isolation_refused", refused.stderr)
        told = self.client("--allow-isolation", "software")
        self.assertEqual((told.returncode, told.stdout),
                         (0, "Hello! Received 8 characters that nobody else could read.\n"), told.stderr)
        refused = self.client("--allow-isolation", "software", eif=GUEST_EIF)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""), refused.stderr)
        self.assertIn("pcr_mismatch", refused.stderr)
        self.assertIn("Nothing was sent", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
