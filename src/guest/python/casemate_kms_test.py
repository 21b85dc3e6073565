"""casemate_kms.py with the library that was built, against the tests' own KMS (tests/kms_client)."""

import ctypes
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import casemate_kms
from casemate_kms import KmsError

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class Case(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.service = subprocess.Popen([BINARY_DIR / "tests/kms_client/stand-in", cls.directory],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.addClassCleanup(cls.stop)
        assert cls.service.stdout.readline() == b"ready\n"
        casemate_kms._LIBRARY = str(BINARY_DIR / "lib/libcasemate-kms.so.0")

    @classmethod
    def stop(cls):
        cls.service.stdin.close()
        cls.service.stdout.close()
        assert cls.service.wait(timeout=30) == 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def credentials(self):
        given = json.loads(pathlib.Path(self.path("credentials.json")).read_text())
        return {"access_key_id": given["AccessKeyId"], "secret_access_key": given["SecretAccessKey"]}

    def attest(self, key):
        with socket.socket(socket.AF_UNIX) as module:
            module.connect(self.path("module.socket"))
            module.sendall(key)
            module.shutdown(socket.SHUT_WR)
            with module.makefile("rb") as answer:
                return answer.read()

    def client(self, **options):
        given = {"address": "unix:" + self.path("kms.socket"), "ca_file": self.path("ca.pem"),
                 "attest": self.attest, **self.credentials(), **options}
        return casemate_kms.Client(**given)

    def refused(self, type, ask, *arguments, **named):
        with self.assertRaises(KmsError) as caught:
            ask(*arguments, **named)
        self.assertEqual(caught.exception.type, type, caught.exception)
        return caught.exception


class Operations(Case):

    def test_each_gives_its_secret(self):
        kms = self.client()
        ciphertext = kms.encrypt(KEY, b"a secret", {"purpose": "ä \"test\""})
        self.assertEqual(kms.decrypt(ciphertext, KEY, {"purpose": "ä \"test\""}), b"a secret")
        key = kms.generate_data_key("alias/casemate", context={"a": "b"})
        self.assertEqual(len(key.plaintext), 32)
        self.assertEqual(key.key_id, KEY)
        self.assertEqual(kms.decrypt(key.ciphertext, context={"a": "b"}), key.plaintext)
        self.assertEqual(len(kms.generate_data_key(KEY, "AES_128").plaintext), 16)
        self.assertEqual(len(kms.generate_data_key(KEY, number_of_bytes=99).plaintext), 99)
        self.assertEqual(len(kms.generate_random(1024)), 1024)
        pair = kms.generate_data_key_pair(KEY, "ECC_NIST_P256")
        self.assertEqual(kms.decrypt(pair.private_key_ciphertext), pair.private_key)
        self.assertEqual(len(kms.derive_shared_secret(KEY, pair.public_key)), 32)

    def test_call_gives_the_whole_answer(self):
        kms = self.client()
        answer, secret = kms.call("GenerateRandom", {"NumberOfBytes": 5})
        self.assertEqual(len(secret), 5)
        self.assertIsNone(answer["Plaintext"])
        answer, secret = kms.call("GetPublicKey", {"KeyId": KEY})
        self.assertEqual((answer["KeyId"], secret), (KEY, b""))

    def test_several_threads_may_ask(self):
        kms = self.client()
        answers = {}
        secrets = {number: kms.encrypt(KEY, b"%d" % number) for number in range(6)}

        def ask(number):
            answers[number] = kms.decrypt(secrets[number])

        threads = [threading.Thread(target=ask, args=(number,)) for number in secrets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, {number: b"%d" % number for number in secrets})


class Refusals(Case):

    def test_kms_own(self):
        kms = self.client()
        error = self.refused("NotFoundException", kms.decrypt, b"{}|x", "nothing")
        self.assertEqual((error.status, error.request_id), (400, "0000-1111"))
        self.assertEqual(str(error), "NotFoundException: Key 'nothing' does not exist")
        ciphertext = kms.encrypt(KEY, b"x", {"a": "b"})
        self.refused("InvalidCiphertextException", kms.decrypt, ciphertext, context={"a": "c"})
        kms.set_credentials(self.credentials()["access_key_id"], "another")
        self.refused("InvalidSignatureException", kms.generate_random, 1)
        self.refused("bad_argument", kms.set_credentials, "", "")
        self.refused("bad_argument", kms.set_credentials, "a\0b", "")

    def test_of_servers_that_nobody_vouches_for(self):
        self.refused("untrusted_server", self.client(ca_file=self.path("other-ca.pem")).generate_random, 1)
        self.refused("untrusted_server", self.client(region="us-east-2").generate_random, 1)

    def test_without_a_document(self):
        def fails(_key):
            raise OSError("no module")
        for attest in (fails, lambda key: None, lambda key: bytes(100000)):
            self.refused("no_module", self.client(attest=attest).generate_random, 1)
        self.refused("ValidationException", self.client(attest=lambda key: b"x").generate_random, 1)
        if not os.path.exists("/dev/nsm"):
            self.refused("no_module", self.client(attest=None).generate_random, 1)

    def test_of_options(self):
        for options in ({"ca_file": "/nowhere"}, {"region": "A"}, {"address": "a"}, {"timeout": 0},
                        {"access_key_id": ""}, {"secret_access_key": None}):
            self.refused("bad_argument", self.client, **options)
        self.refused("not_connected", self.client(address="unix:/nowhere").generate_random, 1)


class Tool(Case):
    """kmstool_enclave_cli outside of an enclave: what needs no document."""

    def tool(self, *arguments, **options):
        return subprocess.run([BINARY_DIR / "bin/kmstool_enclave_cli", *arguments],
                              capture_output=True, text=True, timeout=60, **options)

    def test_calls(self):
        done = self.tool("call", "--operation", "GetPublicKey", "--connect",
                         "unix:" + self.path("kms.socket"), "--ca-file", self.path("ca.pem"),
                         "--credentials", self.path("credentials.json"), input="{}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout)["KeyId"], KEY)

    def test_is_in_no_enclave(self):
        done = self.tool("genrandom", "--length", "8", "--connect",
                         "unix:" + self.path("kms.socket"), "--ca-file", self.path("ca.pem"),
                         "--credentials", self.path("credentials.json"))
        self.assertEqual((done.returncode, done.stdout), (255, ""))
        self.assertIn("not in an enclave?", done.stderr)
        self.assertTrue(done.stderr.endswith("Could not generate random bytes\n"), done.stderr)

    def test_has_all_in_it(self):
        headers = subprocess.run(["readelf", "-l", BINARY_DIR / "bin/kmstool_enclave_cli"],
                                 capture_output=True, text=True, check=True).stdout
        self.assertNotIn("INTERP", headers)


class Library(Case):

    def test_shows_nothing_but_its_interface_and_needs_the_c_library_alone(self):
        library = BINARY_DIR / "lib/libcasemate-kms.so.0"
        names = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True,
                               text=True, check=True).stdout.split()[2::3]
        header = (pathlib.Path(__file__).parents[3] / "include/casemate/kms.h").read_text()
        declared = {word.split("(")[0].lstrip("*") for word in header.split()
                    if word.lstrip("*").startswith("casemate_kms_") and "(" in word}
        self.assertEqual(set(names), declared)
        needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True,
                                check=True).stdout
        needed = {line.split("[")[1].rstrip("]") for line in needed.splitlines() if "(NEEDED)" in line}
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2"})
        ctypes.CDLL(str(library)).casemate_kms_version()


if __name__ == "__main__":
    unittest.main()
