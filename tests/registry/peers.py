"""Registries to pull from: Debian's docker-registry with each kind of authentication, a token server,
and a stand-in that does what a good registry would not."""

import base64
import contextlib
import crypt
import datetime
import http.server
import ipaddress
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

USER, PASSWORD = "tester", "a:secret-password"


class Authority:
    """A certificate authority, and a certificate of it for this machine."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.issue("test authority", self.key, None)
        self.ca = self.write("ca.crt", self.certificate)
        key = ec.generate_private_key(ec.SECP256R1())
        self.server = self.write("server.crt", self.issue("server", key, self))
        self.server_key = self.directory / "server.key"
        self.server_key.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    def write(self, name, certificate):
        path = self.directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, name, key, issuer):
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (x509.CertificateBuilder().subject_name(subject)
                   .issuer_name(issuer.certificate.subject if issuer else subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(hours=1))
                   .not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.BasicConstraints(issuer is None, None), True))
        if issuer:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(address))
                                              for address in ("127.0.0.1", "0.0.0.0"))]), False)
        return builder.sign((issuer or self).key, hashes.SHA256())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def registry_token(authority, audience, access, age=0):
    """A token as docker-registry checks it: a JWT signed by a key whose certificate comes along."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time()) - age
    chain = [base64.b64encode(authority.certificate.public_bytes(serialization.Encoding.DER)).decode()]
    header = {"typ": "JWT", "alg": "ES256", "x5c": chain}
    claims = {"iss": "casemate-test", "sub": USER, "aud": audience, "exp": now + 300,
              "nbf": now - 300, "iat": now, "jti": os.urandom(8).hex(), "access": access}
    signed = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    r, s = utils.decode_dss_signature(authority.key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return (signed + b"." + encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


class Server:
    """An HTTP server of a test's own: answer(request, method) is called for each request."""

    def __init__(self, answer, authority=None, address="127.0.0.1"):
        outer = self
        self.requests = []
        self.stop = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                outer.requests.append((self.command, self.path, dict(self.headers.items())))
                with contextlib.suppress(OSError):
                    answer(self)

            do_GET = do_POST = do_HEAD = handle_one

            def send(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet((address, 0), Handler)
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.server, authority.server_key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"{address}:{self.server.server_address[1]}"
        self.url = f"{'https' if authority else 'http'}://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


class Proxy(Server):
    """A proxy that connects to who asks for it by CONNECT, with the right password."""

    def __init__(self):
        super().__init__(lambda request: request.send(405))
        self.server.RequestHandlerClass.do_CONNECT = lambda request: self.connect(request)

    def connect(self, request):
        self.requests.append(("CONNECT", request.path, dict(request.headers.items())))
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Proxy-Authorization") != f"Basic {pair}":
            request.send(407)
            return
        host, _, port = request.path.rpartition(":")
        with socket.create_connection((host, int(port)), 60) as far, \
                contextlib.suppress(OSError):
            request.send_response(200)
            request.end_headers()
            back = threading.Thread(target=self.copy, args=(far, request.connection), daemon=True)
            back.start()
            self.copy(request.connection, far)
            back.join()
        request.close_connection = True

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class TokenServer(Server):
    """Gives tokens for docker-registry to who knows the password, or to everybody."""

    def __init__(self, authority, anybody=False, tls=None):
        self.authority = authority
        self.anybody = anybody
        # ages: how old, in seconds, the next tokens are.
        self.ages = []
        super().__init__(self.give, tls)

    def knows(self, request):
        if request.command == "POST":
            size = int(request.headers["Content-Length"])
            form = urllib.parse.parse_qs(request.rfile.read(size).decode())
            request.query = form
            return (form["grant_type"], form["refresh_token"]) == (["refresh_token"], [PASSWORD])
        request.query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {pair}"

    def give(self, request):
        if not self.knows(request) and not self.anybody:
            request.send(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "who is it?"}]}')
            return
        kind, name, actions = request.query["scope"][0].split(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        token = registry_token(self.authority, request.query["service"][0], access,
                               self.ages.pop(0) if self.ages else 0)
        name = "access_token" if request.command == "POST" else "token"
        request.send(200, json.dumps({name: token, "expires_in": 300}).encode())


class DockerRegistry:
    """Debian's docker-registry on loopback, with its storage in a directory that may be shared."""

    PROGRAM = shutil.which("docker-registry")

    def __init__(self, directory, storage, authentication=None, tls=None):
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        self.directory = pathlib.Path(directory)
        settings = {"version": "0.1", "log": {"level": "error"},
                    "storage": {"filesystem": {"rootdirectory": str(storage)}},
                    "http": {"addr": self.host, "secret": "x"}}
        if tls:
            settings["http"]["tls"] = {"certificate": str(tls.server), "key": str(tls.server_key)}
        if authentication == "basic":
            passwords = self.directory / f"htpasswd.{port}"
            hashed = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
            passwords.write_text(f"{USER}:{hashed.replace('$2b$', '$2y$')}\n")
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(passwords)}}
        elif authentication:
            settings["auth"] = {"token": {
                "realm": authentication.url + "/token", "service": self.host,
                "issuer": "casemate-test", "rootcertbundle": str(authentication.authority.ca)}}
        configuration = self.directory / f"registry.{port}.yml"
        # JSON is YAML.
        configuration.write_text(json.dumps(settings))
        with (self.directory / f"registry.{port}.log").open("w") as log:
            self.process = subprocess.Popen([self.PROGRAM, "serve", configuration],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"expected docker-registry to listen on {self.host}")
            time.sleep(0.05)

    def close(self):
        self.process.kill()
        self.process.wait()
