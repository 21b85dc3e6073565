"""casemate-kms itself for tests in Python: a service of their own on loopback TLS, and a client that
signs with botocore and sends whatever a test wants to."""

import atexit
import glob
import http.client
import json
import os
import pathlib
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
KMS = BINARY_DIR / "bin/casemate-kms"
ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT = "111122223333"
REGION = "us-east-1"
# What a client sees of a service that is killed.
CUT_OFF = (OSError, http.client.HTTPException)


def kms(*arguments):
    return subprocess.run([KMS, *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True).stdout


class Client:
    """One connection. `call` gives the HTTP status, the JSON answer and the request's id."""

    def __init__(self, service):
        self.service = service
        address = urllib.parse.urlsplit(service.endpoint)
        self.connection = http.client.HTTPSConnection(
            address.hostname, address.port, timeout=60, context=service.trust)

    def signed(self, operation, body, headers=None, credentials=None):
        request = AWSRequest("POST", self.service.endpoint + "/", data=body, headers={
            "X-Amz-Target": f"TrentService.{operation}",
            "Content-Type": "application/x-amz-json-1.1", **(headers or {})})
        SigV4Auth(credentials or self.service.credentials, "kms", REGION).add_auth(request)
        return dict(request.headers.items())

    def send(self, body, headers):
        self.connection.request("POST", "/", body=body, headers=headers)
        answer = self.connection.getresponse()
        content = answer.read()
        return (answer.status, json.loads(content) if content else {},
                answer.headers.get("x-amzn-RequestId", ""))

    def call(self, operation, fields):
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        return self.send(body, self.signed(operation, body))

    def ask(self, operation, **fields):
        """The answer of a request that has to succeed."""
        status, answer, _ = self.call(operation, fields)
        if status != 200:
            raise AssertionError(f"{operation}: expected success, found {status} {answer}")
        return answer

    def close(self):
        self.connection.close()


class Service:

    def __init__(self, data, *options):
        self.data = pathlib.Path(data)
        self.options = options
        self.process = None
        users = self.data.parent / "user.json"
        if not users.exists():
            users.write_text(kms("user", "add", "peer", "--account", ACCOUNT, "--data", self.data,
                                 *store_of(options)))
        self.user = json.loads(users.read_text())
        self.credentials = Credentials(self.user["AccessKeyId"], self.user["SecretAccessKey"])
        self.ca = self.data.parent / "ca.pem"
        self.ca.write_text(kms("export-ca", "--data", self.data))
        self.trust = ssl.create_default_context(cafile=str(self.ca))
        self.log = self.data.parent / "log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [KMS, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--access-log",
                 "none", "--attestation-root", ROOT / "tests/golden/aws-nitro-enclaves-root.pem",
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on https://"):
            raise AssertionError(f"casemate-kms did not start: {line}{self.log.read_text()}")
        self.endpoint = line.split()[-1]
        return self

    def end(self, by=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process = None

    def kill(self):
        self.end(signal.SIGKILL)


def store_of(options):
    options = list(map(str, options))
    return options[options.index("--store"):][:2] if "--store" in options else []


class Postgresql:
    """A server of the test's own, reached by its unix socket alone; as root it runs as the user
    postgres, for it refuses to be root."""

    @staticmethod
    def binaries():
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        return pathlib.Path(found[-1]) if found else None

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="casemate-pg."))
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.prefix = []
        if os.geteuid() == 0:
            os.chown(self.directory, pwd.getpwnam("postgres").pw_uid, -1)
            self.prefix = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres",
                           "--clear-groups", "--pdeathsig=QUIT"]
        data = self.directory / "data"
        self.environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        subprocess.run([*self.prefix, self.binaries() / "initdb", "-D", data, "-U", "casemate", "-A",
                        "trust", "-E", "UTF8", "--no-locale", "--no-sync"], check=True,
                       env=self.environment, capture_output=True, cwd="/")
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.binaries() / "postgres", "-D", data, "-k", self.directory, "-c",
                 "listen_addresses=", "-c", "fsync=off"],
                env=self.environment, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        while subprocess.run([self.binaries() / "pg_isready", "-q", "-h", self.directory],
                             check=False).returncode != 0:
            if self.process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())
            time.sleep(0.05)

    @property
    def url(self):
        host = urllib.parse.quote(str(self.directory), safe="")
        return f"postgresql:///postgres?user=casemate&host={host}"

    def end(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=60)
