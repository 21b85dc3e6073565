"""Tests of the enclave's program, the owner's and the parent's, with a KMS made up; tests/linux/kms_test.py runs
all of it with the real one, in an enclave."""

import base64
import contextlib
import datetime
import hmac
import io
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "enclave")]

import keyholder  # noqa: E402
import kms  # noqa: E402
import owner  # noqa: E402
import parent  # noqa: E402

SECRET = b"a secret of 20 bytes"
CREDENTIALS = {"AccessKeyId": "AKIA", "SecretAccessKey": "hidden"}

# Takes the place of kmstool_enclave_cli in the enclave, for the program's side of its interface.
TOOL = """#!/usr/bin/python3
import base64, os, sys
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert sys.argv[1] == "decrypt", sys.argv
assert os.environ["AWS_SECRET_ACCESS_KEY"] == "hidden" and "hidden" not in " ".join(sys.argv)
assert arguments["--encryption-context"] == "purpose=samples/kms-secret", sys.argv
if arguments["--ciphertext"] != "c2VhbGVk":
    print("AccessDeniedException: not this image\\nCould not decrypt", file=sys.stderr)
    sys.exit(1)
print("PLAINTEXT:", base64.b64encode(b"a secret of 20 bytes").decode())
"""


def request(**changes):
    return json.dumps({"ciphertext": "c2VhbGVk", "challenge": "00ff", "credentials": CREDENTIALS,
                       **changes}).encode()


class WithTool(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        tool = self.directory / "kmstool_enclave_cli"
        tool.write_text(TOOL)
        tool.chmod(0o755)
        before = dict(os.environ)

        def restore():
            os.environ.clear()
            os.environ.update(before)

        self.addCleanup(restore)
        keyholder.KMSTOOL = str(tool)
        self.calls = []
        original = kms.call
        kms.call = self.kms
        self.addCleanup(setattr, kms, "call", original)

    def kms(self, _, operation, request):
        """Takes the place of the service."""
        self.calls.append((operation, request))
        if operation == "Decrypt":
            raise kms.Refused("AccessDeniedException: no enclave")
        return {"KeyMetadata": {"Arn": "arn:key"}, "CiphertextBlob": "c2VhbGVk"}


class Keyholder(WithTool):

    def test_the_proof_is_one_of_the_secret_and_nothing_else_leaves(self):
        answer = keyholder.answer_to(request())
        self.assertEqual(answer, {"proof": hmac.new(SECRET, b"\0\xff", "sha256").hexdigest()})

    def test_what_kms_refuses_is_told(self):
        answer = keyholder.answer_to(request(ciphertext="AAAA"))
        self.assertEqual(answer, {"error": "AccessDeniedException: not this image"})

    def test_what_is_no_request_is_an_error_that_says_nothing_of_it(self):
        for line, expected in ((b"", "JSON"), (b"hidden", "JSON"), (b"[" * 9999, "JSON"), (b"[]", "ciphertext"),
                               (request(challenge="hidden"), "hexadecimal"), (request(challenge=""), "found 0"),
                               (request(challenge="00" * 65), "found 65"), (request(ciphertext=7), "ciphertext"),
                               (request(credentials="hidden"), "AccessKeyId"),
                               (request(credentials={"AccessKeyId": "a"}), "SecretAccessKey")):
            answer = keyholder.answer_to(line)
            self.assertEqual(list(answer), ["error"], line)
            self.assertIn(expected, answer["error"])
            self.assertNotIn("hidden", answer["error"])

    def test_no_tool(self):
        keyholder.KMSTOOL = str(self.directory / "none")
        self.assertIn("FileNotFoundError", keyholder.answer_to(request())["error"])


class Owner(WithTool):

    def seal(self):
        measurements = self.directory / "measurements.json"
        measurements.write_text(json.dumps({"Measurements": {"PCR0": "ab" * 48}}))
        with contextlib.redirect_stdout(io.StringIO()):
            status = owner.main(["seal", "--kms", "https://x", "--ca", "ca", "--credentials", "c", "--application",
                                 "arn:app", "--measurements", str(measurements), "--output",
                                 str(self.directory / "sealed.json"), SECRET.decode()])
        return status

    def test_the_key_is_for_the_image_and_the_purpose(self):
        self.assertEqual(self.seal(), 0)
        (first, create), (second, encrypt) = self.calls
        self.assertEqual((first, second), ("CreateKey", "Encrypt"))
        decrypting = json.loads(create["Policy"])["Statement"][1]
        self.assertEqual(decrypting["Principal"], {"AWS": "arn:app"})
        self.assertEqual(decrypting["Condition"]["StringEqualsIgnoreCase"],
                         {"kms:RecipientAttestation:ImageSha384": "ab" * 48})
        self.assertEqual(base64.b64decode(encrypt["Plaintext"]), SECRET)
        self.assertEqual(encrypt["EncryptionContext"], {"purpose": keyholder.PURPOSE})
        self.assertEqual(json.loads((self.directory / "sealed.json").read_text()),
                         {"KeyId": "arn:key", "CiphertextBlob": "c2VhbGVk"})

    def check(self, proof):
        answer = self.directory / "answer.json"
        answer.write_text(json.dumps({"challenge": "00ff", "proof": proof}))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return owner.main(["check", "--answer", str(answer), SECRET.decode()])

    def test_a_proof_of_another_secret_is_refused(self):
        self.assertEqual(self.check(keyholder.answer_to(request())["proof"]), 0)
        self.assertEqual(self.check("00" * 32), 1)


class Signing(unittest.TestCase):

    def test_as_botocore_signs(self):
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
        except ImportError:
            self.skipTest("SKIPPED: python3-botocore is missing")
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {"Host": "127.0.0.1:8443", "Content-Type": "application/x-amz-json-1.1",
                   "X-Amz-Target": "TrentService.ListKeys"}
        ours = kms.signed(CREDENTIALS, headers, b"{}", now)
        theirs = AWSRequest("POST", "https://127.0.0.1:8443/", headers=dict(headers), data=b"{}")
        theirs.context["timestamp"] = ours["X-Amz-Date"]
        signer = SigV4Auth(Credentials("AKIA", "hidden"), "kms", kms.REGION)
        theirs.headers["X-Amz-Date"] = ours["X-Amz-Date"]
        canonical = signer.canonical_request(theirs)
        signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
        self.assertTrue(ours["Authorization"].endswith(f"Signature={signature}"))


class Parent(WithTool):

    def setUp(self):
        super().setUp()
        (self.directory / "sealed.json").write_text('{"KeyId": "arn:key", "CiphertextBlob": "c2VhbGVk"}')
        (self.directory / "credentials.json").write_text(json.dumps(CREDENTIALS))
        (self.directory / "cid").mkdir()
        os.environ["CASEMATE_RUNTIME_DIR"] = str(self.directory)

    def run_parent(self, *arguments):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = parent.main(["--sealed", str(self.directory / "sealed.json"), "--credentials",
                                  str(self.directory / "credentials.json"), *arguments])
        return status, output.getvalue(), errors.getvalue()

    def serve(self, answer):
        """One enclave's socket; gives the thread."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.directory / "cid/16"))
        listener.listen()

        def run():
            with listener:
                stream, _ = listener.accept()
            with stream, stream.makefile("rb") as lines:
                assert lines.readline() == b"CONNECT 5000\n"
                stream.sendall(b"OK 1073741824\n")
                stream.sendall(answer(lines.readline()))

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_the_enclaves_proof(self):
        self.serve(lambda line: json.dumps(keyholder.answer_to(line)).encode() + b"\n")
        status, output, errors = self.run_parent("--cid", "16")
        self.assertEqual(status, 0, errors)
        answer = json.loads(output)
        self.assertEqual(answer["proof"], hmac.new(SECRET, bytes.fromhex(answer["challenge"]),
                                                   "sha256").hexdigest())

    def test_an_enclave_that_refuses(self):
        self.serve(lambda _: b'{"error": "no\\u001b"}\n')
        status, output, errors = self.run_parent("--cid", "16")
        self.assertEqual((status, output), (1, ""))
        self.assertIn("the enclave says: 'no\\x1b'", errors)

    def test_an_answer_that_is_none(self):
        self.serve(lambda _: b"")
        self.assertEqual(self.run_parent("--cid", "16")[0], 2)

    def test_no_enclave(self):
        self.assertEqual(self.run_parent("--cid", "16", "--wait", "0")[0], 2)

    def test_the_parent_by_itself_is_refused(self):
        status, output, errors = self.run_parent("--myself", "--kms", "https://x", "--ca", "ca")
        self.assertEqual((status, output), (1, ""))
        self.assertIn("AccessDeniedException", errors)


if __name__ == "__main__":
    unittest.main()
