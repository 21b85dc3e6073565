"""AWS's CLI, as Debian packages it, against casemate-kms."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from harness import ACCOUNT, REGION, ROOT, Service

# Debian's own, whatever else the PATH holds.
AWS = "/usr/bin/aws"
ANOTHER_CA = ROOT / "tests/golden/aws-nitro-enclaves-root.pem"


@unittest.skipUnless(shutil.which(AWS), "SKIPPED: the package awscli is not installed")
class Cli(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-cli.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.service = Service(cls.directory / "data").start()
        cls.addClassCleanup(cls.service.end)
        cls.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(cls.directory), "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": cls.service.user["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": cls.service.user["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION, "AWS_CA_BUNDLE": str(cls.service.ca), "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}

    def run_aws(self, *arguments, **changed):
        return subprocess.run([AWS, "--endpoint-url", self.service.endpoint, "--output", "json", "kms",
                               *map(str, arguments)], capture_output=True, text=True, check=False,
                              timeout=120, env={**self.environment, **changed})

    def aws(self, *arguments):
        done = self.run_aws(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout else None

    def refused(self, name, *arguments, **changed):
        done = self.run_aws(*arguments, **changed)
        self.assertNotEqual(done.returncode, 0, arguments)
        self.assertIn(f"({name})", done.stderr)

    def key(self, *arguments):
        return self.aws("create-key", *arguments)["KeyMetadata"]["KeyId"]

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return f"fileb://{path}"

    def test_a_secret_goes_there_and_back(self):
        key = self.key("--description", "of the CLI", "--tags", "TagKey=a,TagValue=b")
        self.aws("create-alias", "--alias-name", "alias/cli", "--target-key-id", key)
        context = ("--encryption-context", "purpose=cli,owner=me")
        sealed = self.aws("encrypt", "--key-id", "alias/cli", "--plaintext",
                          self.file("secret", b"hunter2"), *context)["CiphertextBlob"]
        blob = self.file("sealed", base64.b64decode(sealed))
        opened = self.aws("decrypt", "--ciphertext-blob", blob, *context)
        self.assertEqual(base64.b64decode(opened["Plaintext"]), b"hunter2")
        self.refused("InvalidCiphertextException", "decrypt", "--ciphertext-blob", blob)
        moved = self.aws("re-encrypt", "--ciphertext-blob", blob, "--source-encryption-context",
                         "purpose=cli,owner=me", "--destination-key-id", key)
        opened = self.aws("decrypt", "--ciphertext-blob",
                          self.file("moved", base64.b64decode(moved["CiphertextBlob"])))
        self.assertEqual(base64.b64decode(opened["Plaintext"]), b"hunter2")
        fresh = self.aws("generate-data-key", "--key-id", key, "--key-spec", "AES_256")
        self.assertEqual(len(base64.b64decode(fresh["Plaintext"])), 32)
        self.assertEqual(self.aws("list-resource-tags", "--key-id", key)["Tags"],
                         [{"TagKey": "a", "TagValue": "b"}])
        self.aws("disable-key", "--key-id", key)
        self.refused("DisabledException", "decrypt", "--ciphertext-blob", blob, *context)
        self.aws("enable-key", "--key-id", key)
        self.aws("schedule-key-deletion", "--key-id", key, "--pending-window-in-days", 7)
        self.assertEqual(self.aws("describe-key", "--key-id", key)["KeyMetadata"]["KeyState"],
                         "PendingDeletion")

    def test_lists_go_by_pages(self):
        keys = [self.key() for _ in range(3)]
        listed = [key["KeyId"] for key in self.aws("list-keys", "--page-size", 2)["Keys"]]
        self.assertLessEqual(set(keys), set(listed))
        self.assertEqual(len(set(listed)), len(listed))
        self.aws("create-alias", "--alias-name", "alias/listed", "--target-key-id", keys[0])
        names = [alias["AliasName"] for alias in self.aws("list-aliases")["Aliases"]]
        self.assertIn("alias/listed", names)
        self.aws("enable-key-rotation", "--key-id", keys[0])
        status = self.aws("get-key-rotation-status", "--key-id", keys[0])
        self.assertTrue(status["KeyRotationEnabled"])

    def test_policies_and_grants(self):
        key = self.key()
        policy = self.aws("get-key-policy", "--key-id", key, "--policy-name", "default")["Policy"]
        self.assertIn(f"arn:aws:iam::{ACCOUNT}:root", policy)
        self.aws("put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", policy)
        self.refused("MalformedPolicyDocumentException", "put-key-policy", "--key-id", key,
                     "--policy-name", "default", "--policy", "{}")
        grant = self.aws("create-grant", "--key-id", key, "--grantee-principal",
                         f"arn:aws:iam::{ACCOUNT}:user/other", "--operations", "Decrypt")
        self.assertEqual([one["GrantId"] for one in
                          self.aws("list-grants", "--key-id", key)["Grants"]], [grant["GrantId"]])
        self.aws("revoke-grant", "--key-id", key, "--grant-id", grant["GrantId"])
        self.assertEqual(self.aws("list-grants", "--key-id", key)["Grants"], [])

    def test_signatures_and_codes(self):
        key = self.key("--key-spec", "ECC_NIST_P256", "--key-usage", "SIGN_VERIFY")
        message = self.file("message", b"a message")
        scheme = ("--key-id", key, "--message", message, "--signing-algorithm", "ECDSA_SHA_256")
        signature = base64.b64decode(self.aws("sign", *scheme)["Signature"])
        public = serialization.load_der_public_key(base64.b64decode(
            self.aws("get-public-key", "--key-id", key)["PublicKey"]))
        public.verify(signature, b"a message", ec.ECDSA(hashes.SHA256()))
        verified = self.aws("verify", *scheme, "--signature", self.file("signature", signature))
        self.assertTrue(verified["SignatureValid"])
        self.refused("KMSInvalidSignatureException", "verify", *scheme, "--signature",
                     self.file("other", hashlib.sha256(b"").digest()))
        key = self.key("--key-spec", "HMAC_512", "--key-usage", "GENERATE_VERIFY_MAC")
        made = self.aws("generate-mac", "--key-id", key, "--message", message, "--mac-algorithm",
                        "HMAC_SHA_512")["Mac"]
        self.assertTrue(self.aws(
            "verify-mac", "--key-id", key, "--message", message, "--mac-algorithm", "HMAC_SHA_512",
            "--mac", self.file("mac", base64.b64decode(made)))["MacValid"])

    def test_material_is_imported(self):
        key = self.key("--origin", "EXTERNAL")
        given = self.aws("get-parameters-for-import", "--key-id", key, "--wrapping-algorithm",
                         "RSAES_OAEP_SHA_256", "--wrapping-key-spec", "RSA_2048")
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = serialization.load_der_public_key(
            base64.b64decode(given["PublicKey"])).encrypt(os.urandom(32), oaep)
        self.aws("import-key-material", "--key-id", key, "--import-token",
                 self.file("token", base64.b64decode(given["ImportToken"])),
                 "--encrypted-key-material", self.file("wrapped", wrapped),
                 "--expiration-model", "KEY_MATERIAL_DOES_NOT_EXPIRE")
        found = self.aws("describe-key", "--key-id", key)["KeyMetadata"]
        self.assertEqual((found["KeyState"], found["Origin"]), ("Enabled", "EXTERNAL"))

    def test_strangers(self):
        self.assertEqual(len(base64.b64decode(
            self.aws("generate-random", "--number-of-bytes", 8)["Plaintext"])), 8)
        self.refused("InvalidSignatureException", "list-keys", AWS_SECRET_ACCESS_KEY="wrong")
        self.refused("UnrecognizedClientException", "list-keys",
                     AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE")
        self.refused("NotFoundException", "describe-key", "--key-id", "alias/nothing")
        # The certificate is of the service's own authority.
        done = self.run_aws("list-keys", AWS_CA_BUNDLE=str(ANOTHER_CA))
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "SSL validation failed|CERTIFICATE_VERIFY_FAILED")


if __name__ == "__main__":
    unittest.main(verbosity=2)
