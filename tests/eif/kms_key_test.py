"""Images signed by a key that stays in KMS: casemate-kms itself, over TLS, as any program of AWS's users
would ask it."""

import base64
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/kms"), str(TREE / "tests/oracles")]

import eif  # noqa: E402
from harness import ACCOUNT, BINARY_DIR, REGION, Client, Service  # noqa: E402

CASEMATE, EIF_BUILD = BINARY_DIR / "bin/casemate", BINARY_DIR / "bin/eif_build"
CHECK = TREE / "tests/oracles/check_image_signature.py"
CURVES = {"ECC_NIST_P256": ec.SECP256R1(), "ECC_NIST_P384": ec.SECP384R1(),
          "ECC_NIST_P521": ec.SECP521R1()}
UNSIGNED = eif.Image([(eif.KERNEL, b"kernel"), (eif.CMDLINE, b"reboot=k"),
                      (eif.METADATA, eif.metadata_section("a", "1")), (eif.RAMDISK, b"one"),
                      (eif.RAMDISK, b"two")]).to_bytes()


def certificate_for(public_key):
    """A certificate for a key whose private half nobody has here: signed by another's."""
    now = datetime.datetime.now(datetime.timezone.utc)
    issuer = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a key in KMS")])
    return x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
        public_key).serial_number(7).not_valid_before(now).not_valid_after(
        now + datetime.timedelta(days=2)).sign(issuer, hashes.SHA384()).public_bytes(
        serialization.Encoding.PEM)


class KmsKey(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-key.")
        cls.addClassCleanup(directory.cleanup)
        cls.base = pathlib.Path(directory.name)
        cls.service = Service(cls.base / "data").start()
        cls.addClassCleanup(cls.service.end)
        cls.client = Client(cls.service)
        cls.addClassCleanup(cls.client.close)
        cls.keys = {}
        for spec in CURVES:
            arn = cls.create(KeySpec=spec, KeyUsage="SIGN_VERIFY")
            spki = base64.b64decode(cls.client.ask("GetPublicKey", KeyId=arn)["PublicKey"])
            certificate = cls.base / f"{spec}.pem"
            certificate.write_bytes(certificate_for(serialization.load_der_public_key(spki)))
            cls.keys[spec] = arn, certificate

    @classmethod
    def create(cls, **fields):
        return cls.client.ask("CreateKey", **fields)["KeyMetadata"]["Arn"]

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-key.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.image = self.directory / "image.eif"
        self.image.write_bytes(UNSIGNED)
        self.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.directory),
            "AWS_ACCESS_KEY_ID": self.service.user["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.service.user["SecretAccessKey"],
            "AWS_ENDPOINT_URL_KMS": self.service.endpoint, "AWS_CA_BUNDLE": str(self.service.ca),
            "AWS_EC2_METADATA_DISABLED": "true"}

    def sign(self, arn, certificate, environment=None):
        return subprocess.run(
            [CASEMATE, "sign-eif", "--eif-path", self.image, "--signing-certificate", certificate,
             "--private-key", arn], capture_output=True, text=True, check=False,
            env=self.environment if environment is None else environment)

    def changed(self, **values):
        """The environment with other values; None takes one away."""
        return {name: value for name, value in {**self.environment, **values}.items()
                if value is not None}

    def assert_signed(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        checked = subprocess.run(["/usr/bin/python3", "-B", CHECK, self.image], capture_output=True,
                                 text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertEqual(json.loads(done.stdout)["Measurements"]["PCR8"], checked.stdout.strip())
        self.assertTrue(eif.read(self.image.read_bytes()).signature_good())

    def assert_refused(self, done, *sentences):
        self.assertEqual(done.returncode, 60, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn("[ E60 ] ", done.stderr)
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)
        self.assertEqual(self.image.read_bytes(), UNSIGNED)
        self.assertEqual([path.name for path in self.directory.glob("image*")], ["image.eif"])
        # The secret is nobody's business.
        self.assertNotIn(self.service.user["SecretAccessKey"], done.stderr)

    def test_a_key_of_each_curve_signs(self):
        for spec, (arn, certificate) in self.keys.items():
            with self.subTest(spec=spec):
                self.assert_signed(self.sign(arn, certificate))

    def test_also_by_the_name_with_a_colon_that_nitro_cli_takes(self):
        arn, certificate = self.keys["ECC_NIST_P384"]
        self.assert_signed(self.sign(arn.replace("key/", "key:"), certificate))

    def test_build_enclave_and_eif_build_sign_too(self):
        arn, certificate = self.keys["ECC_NIST_P256"]
        kernel, ramdisk = self.directory / "bzImage", self.directory / "ramdisk"
        kernel.write_bytes(bytes(0x202) + b"HdrS" + bytes(4096))
        ramdisk.write_bytes(b"070701" + bytes(100))
        done = subprocess.run(
            [EIF_BUILD, "--kernel", kernel, "--cmdline", "reboot=k", "--ramdisk", ramdisk, "--output",
             self.image, "--signing-certificate", certificate, "--private-key", arn],
            capture_output=True, text=True, check=False, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(eif.read(self.image.read_bytes()).signature_good())
        root = self.directory / "root"
        root.mkdir()
        (root / "program").write_bytes(b"#!/program")
        init = BINARY_DIR / "lib/casemate/init"
        blobs = self.directory / "blobs"
        blobs.mkdir()
        (blobs / "bzImage").write_bytes(kernel.read_bytes())
        (blobs / "cmdline").write_text("reboot=k\n")
        (blobs / "init").write_bytes(init.read_bytes() if init.exists() else b"#!init")
        done = subprocess.run(
            [CASEMATE, "build-enclave", "--docker-uri", f"dir:{root}", "--output-file", self.image,
             "--signing-certificate", certificate, "--private-key", arn, "--", "/program"],
            capture_output=True, text=True, check=False,
            env={**self.environment, "NITRO_CLI_BLOBS": str(blobs)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(eif.read(self.image.read_bytes()).signature_good())

    def test_what_kms_refuses(self):
        arn, certificate = self.keys["ECC_NIST_P384"]
        self.client.ask("DisableKey", KeyId=arn)
        self.addCleanup(self.client.ask, "EnableKey", KeyId=arn)
        self.assert_refused(self.sign(arn, certificate), "DisabledException", arn.split("/")[-1])
        absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        self.assert_refused(self.sign(absent, certificate), "NotFoundException")

    def test_who_may_not_sign_does_not(self):
        root = {"Sid": "root", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*", "Resource": "*"}
        for operation in ("GetPublicKey", "Sign"):
            with self.subTest(operation=operation):
                denied = {**root, "Sid": "no", "Effect": "Deny", "Action": f"kms:{operation}"}
                arn = self.create(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
                spki = base64.b64decode(self.client.ask("GetPublicKey", KeyId=arn)["PublicKey"])
                certificate = self.directory / "certificate.pem"
                certificate.write_bytes(certificate_for(serialization.load_der_public_key(spki)))
                self.client.ask("PutKeyPolicy", KeyId=arn, PolicyName="default", Policy=json.dumps(
                    {"Version": "2012-10-17", "Statement": [root, denied]}))
                self.assert_refused(self.sign(arn, certificate), "AccessDeniedException",
                                    f"expected KMS to do {operation}")

    def test_what_is_no_key_to_sign_images_with(self):
        _, certificate = self.keys["ECC_NIST_P384"]
        for fields, found in ((dict(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"), "RSA_2048 for SIGN"),
                              (dict(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT"), "KEY_AGREEMENT"),
                              (dict(), "UnsupportedOperationException")):
            with self.subTest(fields=fields):
                self.assert_refused(self.sign(self.create(**fields), certificate), found)

    def test_another_keys_certificate(self):
        arn, _ = self.keys["ECC_NIST_P384"]
        for other in ("ECC_NIST_P256", "ECC_NIST_P521"):
            self.assert_refused(self.sign(arn, self.keys[other][1]),
                                "expected the private key of the signing certificate, found another key")

    def test_names_that_are_none(self):
        _, certificate = self.keys["ECC_NIST_P384"]
        for arn in ("arn:", "arn:aws:kms", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a",
                    f"arn:aws:s3:{REGION}:{ACCOUNT}:key/a", f"arn:aws:kms:{REGION}:1234:key/a",
                    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a/b",
                    f"arn:aws:kms::{ACCOUNT}:key/a", f"arn:aws:kms:a@b:{ACCOUNT}:key/a",
                    f"arn:other:kms:{REGION}:{ACCOUNT}:key/a"):
            with self.subTest(arn=arn):
                self.assert_refused(self.sign(arn, certificate), "arn:aws:kms:REGION:ACCOUNT:key/ID")

    def test_a_service_that_is_not_there_or_not_trusted(self):
        arn, certificate = self.keys["ECC_NIST_P384"]
        cases = (({"AWS_ENDPOINT_URL_KMS": "https://127.0.0.1:1"}, "Connection refused"),
                 ({"AWS_ENDPOINT_URL_KMS": "https://kms.invalid"}, "kms.invalid"),
                 ({"AWS_ENDPOINT_URL_KMS": "ftp://127.0.0.1"}, "expected https://HOST"),
                 ({"AWS_ENDPOINT_URL_KMS": "https://user@127.0.0.1"}, "expected https://HOST"),
                 ({"AWS_ENDPOINT_URL_KMS": "https://127.0.0.1:99999"}, "expected https://HOST"),
                 ({"AWS_ENDPOINT_URL_KMS": self.service.endpoint + "/kms"}, "without a path"),
                 ({"AWS_ENDPOINT_URL_KMS": "https://[::1]:1"}, "tcp:[::1]:1, found: "),
                 ({"AWS_CA_BUNDLE": str(certificate)}, "unable to get local issuer certificate"),
                 ({"AWS_CA_BUNDLE": "/does/not/exist"}, "/does/not/exist"))
        for values, sentence in cases:
            with self.subTest(values=values):
                self.assert_refused(self.sign(arn, certificate, self.changed(**values)), sentence)

    def test_credentials_are_found_where_sdks_find_them(self):
        arn, certificate = self.keys["ECC_NIST_P384"]
        user = self.service.user
        good = (f"aws_access_key_id = {user['AccessKeyId']}\n"
                f"aws_secret_access_key={user['SecretAccessKey']}  \n")
        none = self.changed(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
        self.assert_refused(self.sign(arn, certificate, none), "no AWS credentials")
        self.assert_refused(self.sign(arn, certificate, self.changed(AWS_SECRET_ACCESS_KEY=None)),
                            "found only one of them")
        self.assert_refused(self.sign(arn, certificate, self.changed(AWS_SECRET_ACCESS_KEY="x" * 40)),
                            "InvalidSignatureException")
        folder = self.directory / ".aws"
        folder.mkdir()
        credentials, config = folder / "credentials", folder / "config"
        credentials.write_text(f"# mine\n[other]\naws_access_key_id=AKIAWRONG\n[default]\n{good}")
        self.assert_signed(self.sign(arn, certificate, none))
        self.image.write_bytes(UNSIGNED)
        credentials.unlink()
        config.write_text("[default]\nregion=us-east-1\ns3 =\n  aws_access_key_id = nested\n"
                          f"[signer]\naws_access_key_id=ignored\n[profile signer]\n{good}")
        self.assert_signed(self.sign(arn, certificate, {**none, "AWS_PROFILE": "signer"}))
        self.image.write_bytes(UNSIGNED)
        self.assert_refused(self.sign(arn, certificate, none), "no AWS credentials")
        self.assert_refused(self.sign(arn, certificate, {**none, "AWS_PROFILE": "absent"}),
                            'AWS\'s profile "absent"')
        config.write_text("[default]\nrole_arn=arn:aws:iam::1:role/a\n")
        self.assert_refused(self.sign(arn, certificate, none), "found role_arn")
        elsewhere = self.directory / "elsewhere"
        elsewhere.write_text(f"[default]\n{good}")
        self.assert_signed(self.sign(arn, certificate, {
            **none, "AWS_SHARED_CREDENTIALS_FILE": str(elsewhere)}))

    def test_credentials_of_a_container_and_of_an_instance(self):
        arn, certificate = self.keys["ECC_NIST_P384"]
        user = self.service.user
        answer = json.dumps({"AccessKeyId": user["AccessKeyId"], "Token": "",
                             "SecretAccessKey": user["SecretAccessKey"], "Expiration": "never"})
        roles = "/latest/meta-data/iam/security-credentials/"
        with metadata_service({"/container": answer, "/latest/api/token": "a token", roles: "a-role\n",
                               roles + "a-role": answer}) as (address, asked):
            none = self.changed(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
            self.assert_signed(self.sign(arn, certificate, {
                **none, "AWS_CONTAINER_CREDENTIALS_FULL_URI":
                    address.replace("127.0.0.1", "localhost") + "/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "who I am"}))
            self.assertEqual(asked.pop(), ("GET", "/container", "who I am", None))
            self.image.write_bytes(UNSIGNED)
            self.assert_refused(self.sign(arn, certificate, {
                **none, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/container"}),
                "AWS_CONTAINER_CREDENTIALS_FULL_URI")
            instance = {**none, "AWS_EC2_METADATA_DISABLED": "false",
                        "AWS_EC2_METADATA_SERVICE_ENDPOINT": address}
            for other in (address + "/below", address.replace("http://", "https://")):
                with self.subTest(endpoint=other):
                    self.assert_refused(self.sign(arn, certificate, {
                        **instance, "AWS_EC2_METADATA_SERVICE_ENDPOINT": other}), other)
            self.assert_signed(self.sign(arn, certificate, instance))
            self.assertEqual(asked, [("PUT", "/latest/api/token", None, None),
                                     ("GET", roles, None, "a token"),
                                     ("GET", roles + "a-role", None, "a token")])


class metadata_service:  # pylint: disable=invalid-name
    """What stands at an address of a machine's own and hands out texts; remembers who asked how."""

    def __init__(self, texts):
        import http.server
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):

            def do_GET(self):
                asked.append((self.command, self.path, self.headers.get("Authorization"),
                              self.headers.get("X-aws-ec2-metadata-token")))
                text = texts.get(self.path, "").encode()
                self.send_response(200 if text else 404)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_PUT = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        import threading
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return "http://127.0.0.1:%d" % self.server.server_address[1], self.asked

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
