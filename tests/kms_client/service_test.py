"""The clients against casemate-kms itself, over its unix socket, with a security module of the tests'
own whose root the service trusts: casemate_kms.py with libcasemate-kms, and kmstool_enclave_cli."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "src/guest/python"))

import casemate_kms  # noqa: E402
from casemate_kms import KmsError  # noqa: E402

ACCOUNT = "111122223333"
# What the module of tests/kms_client/stand_in.cpp attests.
IMAGE = "10" * 48
KMS = BINARY_DIR / "bin/casemate-kms"


def policy_for(image):
    """Whoever is of the account may do all but decrypt; that is for one image alone."""
    anybody = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    attested = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair"]
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": anybody, "Resource": "*", "NotAction": attested},
        {"Effect": "Allow", "Principal": anybody, "Resource": "*", "Action": attested,
         "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": image}}}]})


class Service(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-client.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.module = cls.start([BINARY_DIR / "tests/kms_client/stand-in", cls.directory],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.addClassCleanup(cls.module.stdin.close)
        cls.addClassCleanup(cls.module.stdout.close)
        assert cls.module.stdout.readline() == b"ready\n"
        data = cls.directory / "data"
        added = subprocess.run([KMS, "user", "add", "enclave", "--account", ACCOUNT, "--data", data],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        cls.credentials = json.loads(added)
        (cls.directory / "user.json").write_text(added)
        ca = subprocess.run([KMS, "export-ca", "--data", data], check=True,
                            stdout=subprocess.PIPE).stdout
        (cls.directory / "kms-ca.pem").write_bytes(ca)
        cls.socket = cls.directory / "service.socket"
        ready, told = os.pipe()
        os.set_inheritable(told, True)
        log = open(cls.directory / "access.log", "wb")
        cls.addClassCleanup(log.close)
        service = cls.start([KMS, "serve", "--data", data, "--listen", f"unix:{cls.socket}",
                             "--attestation-root", cls.directory / "root.pem",
                             "--ready-fd", str(told)], pass_fds=(told,), stderr=log)
        os.close(told)
        with os.fdopen(ready, "rb") as line:
            assert line.readline(), "casemate-kms did not start"
        assert service.poll() is None
        casemate_kms._LIBRARY = str(BINARY_DIR / "lib/libcasemate-kms.so.0")

    @classmethod
    def start(cls, command, **options):
        process = subprocess.Popen([*map(str, command)], **options)

        def stop():
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        cls.addClassCleanup(stop)
        return process

    def attest(self, key):
        with socket.socket(socket.AF_UNIX) as module:
            module.connect(str(self.directory / "module.socket"))
            module.sendall(key)
            module.shutdown(socket.SHUT_WR)
            with module.makefile("rb") as answer:
                return answer.read()

    def client(self, **options):
        given = {"address": f"unix:{self.socket}", "ca_file": str(self.directory / "kms-ca.pem"),
                 "attest": self.attest, "access_key_id": self.credentials["AccessKeyId"],
                 "secret_access_key": self.credentials["SecretAccessKey"], **options}
        return casemate_kms.Client(**given)

    def key(self, kms, image=IMAGE, **what):
        answer, _ = kms.call("CreateKey", {"Policy": policy_for(image), **what})
        return answer["KeyMetadata"]["Arn"]

    def refused(self, type, ask, *arguments, **named):
        with self.assertRaises(KmsError) as caught:
            ask(*arguments, **named)
        self.assertEqual(caught.exception.type, type, caught.exception)
        return caught.exception

    def test_secrets_are_for_the_image_alone(self):
        kms = self.client()
        key = self.key(kms)
        secret = kms.encrypt(key, b"hunter2", {"purpose": "database"})
        self.assertEqual(kms.decrypt(secret, key, {"purpose": "database"}), b"hunter2")
        self.assertEqual(kms.decrypt(secret, context={"purpose": "database"}), b"hunter2")
        self.refused("InvalidCiphertextException", kms.decrypt, secret, key, {"purpose": "mail"})
        other = self.key(kms)
        self.refused("IncorrectKeyException", kms.decrypt, secret, other, {"purpose": "database"})
        fresh = kms.generate_data_key(key, context={"a": "b"})
        self.assertEqual(kms.decrypt(fresh.ciphertext, key, {"a": "b"}), fresh.plaintext)
        self.assertEqual(fresh.key_id, key)
        pair = kms.generate_data_key_pair(key, "ECC_NIST_P256")
        self.assertEqual(kms.decrypt(pair.private_key_ciphertext, key), pair.private_key)
        self.assertEqual(len(kms.generate_random(64)), 64)

    def test_another_image_is_refused(self):
        kms = self.client()
        key = self.key(kms, image="11" * 48)
        secret = kms.encrypt(key, b"hunter2")
        error = self.refused("AccessDeniedException", kms.decrypt, secret, key)
        self.assertEqual(error.status, 400)
        self.assertTrue(error.request_id)
        self.refused("AccessDeniedException", kms.generate_data_key, key)

    def test_documents_of_others_are_refused(self):
        kms = self.client(attest=lambda key: b"x" * 100)
        self.refused("ValidationException", kms.generate_random, 1)
        # A document that was made for another key is good, but what comes back opens for that key.
        theirs = self.client()
        documents = []

        def remember(key):
            documents.append(self.attest(key))
            return documents[-1]
        self.client(attest=remember).generate_random(1)
        self.refused("not_opened", self.client(attest=lambda key: documents[0]).generate_random, 1)
        self.assertEqual(len(theirs.generate_random(1)), 1)

    def test_key_agreement(self):
        kms = self.client()
        key = self.key(kms, KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
        wrapping = self.key(kms)
        pair = kms.generate_data_key_pair(wrapping, "ECC_NIST_P256")
        secret = kms.derive_shared_secret(key, pair.public_key)
        self.assertEqual(len(secret), 32)
        theirs, _ = kms.call("GetPublicKey", {"KeyId": key})
        self.assertIn("PublicKey", theirs)

    def test_strangers(self):
        self.refused("UnrecognizedClientException",
                     self.client(access_key_id="AKIAAAAAAAAAAAAAAAAA").generate_random, 1)
        error = self.refused_any(self.client(secret_access_key="wrong").generate_random, 1)
        self.assertIn("Signature", error.type)
        self.refused("untrusted_server",
                     self.client(ca_file=str(self.directory / "ca.pem")).generate_random, 1)

    def refused_any(self, ask, *arguments):
        with self.assertRaises(KmsError) as caught:
            ask(*arguments)
        return caught.exception

    def test_kmstool(self):
        def tool(*arguments, **options):
            return subprocess.run(
                [BINARY_DIR / "bin/kmstool_enclave_cli", *arguments, "--connect",
                 f"unix:{self.socket}", "--ca-file", self.directory / "kms-ca.pem",
                 "--credentials", self.directory / "user.json"],
                capture_output=True, text=True, timeout=60, check=False, **options)
        key = self.key(self.client())
        done = tool("encrypt", "--key-id", key, "--plaintext", "aHVudGVyMg==",
                    "--encryption-context", "purpose=database")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("CIPHERTEXT: "))
        described = tool("call", "--operation", "DescribeKey", input=json.dumps({"KeyId": key}))
        self.assertEqual(json.loads(described.stdout)["KeyMetadata"]["Arn"], key)

    def session(self):
        return json.loads(subprocess.run(
            [KMS, "user", "session", "enclave", "--data", self.directory / "data"], check=True,
            stdout=subprocess.PIPE, text=True).stdout)

    def test_temporary_credentials(self):
        session = self.session()
        kms = self.client(access_key_id=session["AccessKeyId"],
                          secret_access_key=session["SecretAccessKey"],
                          session_token=session["SessionToken"])
        key = self.key(kms)
        self.assertEqual(kms.decrypt(kms.encrypt(key, b"hunter2"), key), b"hunter2")
        self.refused("UnrecognizedClientException",
                     self.client(session_token=session["SessionToken"]).generate_random, 1)

        def tool(id, secret, token):
            return subprocess.run(
                [BINARY_DIR / "bin/kmstool_enclave_cli", "call", "--operation", "DescribeKey",
                 "--connect", f"unix:{self.socket}", "--ca-file", self.directory / "kms-ca.pem",
                 "--aws-access-key-id", id, "--aws-secret-access-key", secret,
                 "--aws-session-token", token],
                input=json.dumps({"KeyId": key}), capture_output=True, text=True, timeout=60,
                check=False)
        done = tool(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout)["KeyMetadata"]["Arn"], key)
        done = tool(session["AccessKeyId"], session["SecretAccessKey"],
                    self.session()["SessionToken"])
        self.assertEqual(done.returncode, 255)
        self.assertIn("UnrecognizedClientException", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
