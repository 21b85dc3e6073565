"""KMS and enclaves: the sample kms-secret, with the real service, in real enclaves, over vsock alone."""

import json
import os
import pathlib
import select
import subprocess
import tempfile
import unittest

from harness import BINARY_DIR, BOOT_SECONDS, Enclave, Machine

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLE = TREE / "samples/kms-secret"
SECRET = "the owner's secret"
ACCOUNT = "arn:aws:iam::111122223333:user/"
VSOCK_PORT = 8000


class Kms:
    """A casemate-kms of the test's own."""

    def __init__(self, machine, directory):
        self.environment = dict(machine.environment,
                                PATH=f"{BINARY_DIR / 'bin'}:{os.environ['PATH']}")
        self.data = directory / "kms"
        self.audit = self.data / "audit"

    def run(self, *arguments):
        done = subprocess.run(["casemate-kms", *arguments, "--data", self.data], env=self.environment,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"casemate-kms {arguments[0]}: {done.stderr}")
        return done.stdout

    def serve(self):
        self.process = subprocess.Popen(
            ["casemate-kms", "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--listen",
             f"vsock:{VSOCK_PORT}", "--allow-isolation", "software", "--access-log", "none"],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not select.select([self.process.stdout], [], [], BOOT_SECONDS)[0]:
            raise AssertionError("casemate-kms does not listen")
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise AssertionError(f"{line}{self.process.stderr.read()}")
        self.address = line.removeprefix("listening on ").strip()

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=60)
        return self.process.returncode

    def lines(self):
        """The audit log."""
        return [json.loads(line) for path in sorted(self.audit.glob("*.jsonl"))
                for line in path.read_text().splitlines()]


class KmsSecret(unittest.TestCase):
    """A secret under a key whose policy pins an image; that image, another one, and the parent."""

    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.kms = Kms(cls.machine, cls.directory)
        cls.ca = cls.saved("ca.pem", cls.kms.run("export-ca"))
        for name in ("owner", "application"):
            cls.saved(f"{name}.json", cls.kms.run("user", "add", name, "--arn", ACCOUNT + name))
        cls.kms.serve()
        cls.addClassCleanup(cls.kms.stop)
        # An enclave of this machine first: it makes the authority, which KMS then trusts.
        cls.eif = cls.build("edition 1\n")
        cls.enclave = cls.machine.start(eif=cls.eif, memory=512)
        cls.seal()

    @classmethod
    def saved(cls, name, text):
        path = cls.directory / name
        path.write_text(text)
        return path

    @classmethod
    def build(cls, edition):
        """The image with these words in a file of it; the measurements are beside."""
        name = edition.strip().replace(" ", "-")
        layout = cls.directory / name
        built = subprocess.run(
            [SAMPLE / "build-image", "--ca", cls.ca, "--edition", cls.saved(f"{name}.txt", edition), layout],
            capture_output=True, text=True, check=False)
        if built.returncode != 0 and "expected apt to" in built.stderr:
            if not os.environ.get("CASEMATE_REQUIRE_ORACLES"):
                raise unittest.SkipTest(f"SKIPPED: {built.stderr.strip()}")
        if built.returncode != 0:
            raise AssertionError(built.stderr)
        eif = cls.directory / f"{name}.eif"
        measured = cls.machine.json("build-enclave", "--docker-uri", f"oci:{layout}:kms-secret",
                                    "--output-file", eif)
        cls.saved(f"{name}.measurements.json", json.dumps(measured))
        return eif

    @classmethod
    def program(cls, *arguments, given=None):
        return subprocess.run(arguments, env=cls.kms.environment, input=given, capture_output=True,
                              text=True, check=False, timeout=BOOT_SECONDS)

    @classmethod
    def seal(cls):
        done = cls.program(
            SAMPLE / "owner.py", "seal", "--kms", cls.kms.address, "--ca", cls.ca, "--credentials",
            cls.directory / "owner.json", "--owner", ACCOUNT + "owner", "--application",
            ACCOUNT + "application", "--measurements", cls.directory / "edition-1.measurements.json",
            "--output", cls.directory / "sealed.json", SECRET)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def parent(self, *options):
        return self.program(SAMPLE / "parent.py", "--sealed", self.directory / "sealed.json",
                            "--credentials", self.directory / "application.json", *options)

    def test_the_measured_image_has_the_secret_and_the_log_tells_which(self):
        answer = self.parent("--cid", str(self.enclave.cid), "--wait", "120")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        for secret, status in ((SECRET, 0), ("another", 1)):
            checked = self.program(SAMPLE / "owner.py", "check", secret, given=answer.stdout)
            self.assertEqual(checked.returncode, status, checked.stderr)
        line = [entry for entry in self.kms.lines()
                if entry.get("eventName") == "Decrypt" and "errorCode" not in entry][-1]
        recipient = line["additionalEventData"]["recipient"]
        measured = json.loads((self.directory / "edition-1.measurements.json").read_text())
        self.assertEqual(recipient["attestationDocumentEnclaveImageDigest"],
                         measured["Measurements"]["PCR0"])
        instance, slot = self.enclave.id.split("-enc")
        self.assertEqual(recipient["attestationDocumentModuleId"], f"{instance}-enc{int(slot, 16):016x}")
        self.assertNotIn(SECRET, json.dumps(self.kms.lines()))

    def test_the_same_image_with_one_byte_changed_is_refused(self):
        enclave = self.machine.start(eif=self.build("edition 2\n"), memory=512)
        try:
            answer = self.parent("--cid", str(enclave.cid), "--wait", "120")
        finally:
            enclave.terminate()
        self.assertEqual((answer.returncode, answer.stdout), (1, ""), answer.stderr)
        self.assertIn("AccessDeniedException", answer.stderr)

    def test_the_image_in_debug_mode_is_refused(self):
        enclave = Enclave(self.machine, self.machine.json(
            "run-enclave", "--eif-path", self.eif, "--cpu-count", 1, "--memory", 512, "--debug-mode"))
        try:
            answer = self.parent("--cid", str(enclave.cid), "--wait", "120")
        finally:
            enclave.terminate()
        self.assertEqual((answer.returncode, answer.stdout), (1, ""), answer.stderr)
        self.assertIn("ValidationException", answer.stderr)
        self.assertIn("debug", answer.stderr)

    def test_the_parent_with_the_same_credentials_is_refused(self):
        answer = self.parent("--myself", "--kms", self.kms.address, "--ca", self.ca)
        self.assertEqual((answer.returncode, answer.stdout), (1, ""), answer.stderr)
        self.assertIn("AccessDeniedException", answer.stderr)

    def test_what_happened_is_in_a_log_that_verifies(self):
        self.parent("--myself", "--kms", self.kms.address, "--ca", self.ca)
        self.assertIn("AccessDenied", [entry.get("errorCode", "")[:12] for entry in self.kms.lines()])
        self.kms.run("audit", "verify")


if __name__ == "__main__":
    unittest.main(verbosity=2)
