"""Daemons that lie, break off or never end: stand-ins on a unix socket."""

import base64
import gzip
import hashlib
import io
import json
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import tarfile
import threading
import unittest

import harness

ID = "sha256:" + "0" * 64
INSPECTION = {"Id": ID, "Architecture": "amd64", "Os": "linux", "Size": 10}


def answer(body, status="200 OK", kind="application/json", headers=()):
    """A whole response."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def archive(files):
    """A tar archive of these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class StandIn:
    """Answers each request as its answers say, by the end of its target: bytes, or a function that
    is given the connection."""

    def __init__(self, path, answers):
        self.answers = {"/_ping": answer(b"OK", kind="text/plain"), **answers}
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.talk(connection)
                except OSError:
                    # The client has gone, which is its right.
                    pass

    def talk(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return
            head += more
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append((method, target))
        path = target.split("?")[0]
        says = next((says for end, says in self.answers.items() if path.endswith(end)),
                    answer({"message": "no such thing"}, "404 Not Found"))
        if callable(says):
            says(connection)
        else:
            connection.sendall(says)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Hostile(harness.DaemonTest):

    def stand_in(self, answers):
        path = self.directory / "docker.sock"
        path.unlink(missing_ok=True)
        stand_in = StandIn(path, answers)
        self.addCleanup(stand_in.end)
        self.environment["DOCKER_HOST"] = f"unix://{path}"
        return stand_in

    def has(self, **answers):
        """A daemon that has the image, and these answers for its export."""
        return self.stand_in({"/json": answer(INSPECTION), **answers})

    def test_not_a_daemon(self):
        for says in (answer(b"<html>", kind="text/html"), answer(b"OK", "500 Error"),
                     answer(b"OK", headers=["X: " + "y" * 100000]), b"nonsense\r\n\r\n", b"",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nOK"):
            with self.subTest(says=says[:60]):
                self.stand_in({"/_ping": says})
                self.refuses("E50", "app:v1", "where DOCKER_HOST says, found none")

    def test_inspections(self):
        for says, why in ((answer(b"<html>", kind="text/html"), "expected a JSON object"),
                          (answer([]), "expected a JSON object"),
                          (answer({}), "expected sha256: and 64 digits"),
                          (answer({**INSPECTION, "Id": "sha256:../../../etc"}), "64 digits"),
                          (answer({**INSPECTION, "Id": ID + "/get?a="}), "64 digits"),
                          (answer({**INSPECTION, "Os": "windows"}), "found it for windows/amd64"),
                          (answer(b"[" * 100000 + b"]" * 100000), "expected a JSON object"),
                          (answer(b" " * (5 << 20)), "bytes of body, found more"),
                          (answer({"message": "\u001b[31mbad\nthings"}, "500 Error"),
                           "[31mbad things")):
            with self.subTest(why=why):
                self.stand_in({"/json": says})
                errors = self.refuses("E50", "app:v1", why)
                self.assertNotIn("\x1b", errors)

    def test_messages(self):
        """Of a pull; the daemon does not have the image, before or after."""
        deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
        for says, why in ((b"garbage", "expected a JSON object as a daemon's message"),
                          (b'{"status":"a"', "expected the rest of a daemon's message"),
                          (b'{"status":1}', 'expected text as "status"'),
                          (b'{"status" "a"}', "expected JSON as a daemon's message"),
                          (deep, "expected JSON as a daemon's message"),
                          (b'{"status":"' + b"x" * (2 << 20) + b'"}', "found a longer one"),
                          (b'{"error":"\\u001b]0;no\\u0007 way"}', "]0;no way"),
                          (b'{"status":"ok"}\r\n', "to be there after it was pulled")):
            with self.subTest(why=why):
                self.stand_in({"/images/create": answer(says)})
                errors = self.refuses("E50", "app:v1", why)
                self.assertNotIn("\x1b", errors)
                self.assertNotIn("\x07", errors)

    def test_messages_without_end(self):
        """Are an error after a limit."""
        def forever(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            piece = b'{"id":"a","progressDetail":{"current":1,"total":2}}' + b" " * 65536
            while True:
                connection.sendall(piece)
        self.stand_in({"/images/create": forever})
        self.refuses("E50", "app:v1", "expected an end of a daemon's messages")

    def test_builds(self):
        """The stream's error is E49's, with what came before it; so is a daemon that breaks off."""
        folder = self.folder("context", {"Dockerfile": "FROM scratch\n"})
        said = b'{"stream":"Step 1/1 : FROM scr"}{"stream":"atch\\n"}{"stream":"half"}'
        for more, why in ((b'{"errorDetail":{"message":"no luck"},"error":"no luck"}', "no luck"),
                          (b'{"stream":', "expected the rest of a daemon's message")):
            with self.subTest(why=why):
                self.stand_in({"/build": answer(said + more)})
                errors = self.refuses("E49", "app:v1", why, options=["--docker-dir", str(folder)])
                self.assertIn("\nStep 1/1 : FROM scratch\nhalf\n", errors)
        stand_in = self.stand_in({"/build": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"})
        self.refuses("E49", "app:v1", "bad HTTP message", options=["--docker-dir", str(folder)])
        self.assertEqual(stand_in.asked[-1], ("POST", "/build?t=app:v1&rm=1&forcerm=1"))
        self.stand_in({"/build": answer({"message": "dockerfile parse error"}, "400 Bad Request")})
        self.refuses("E49", "app:v1", "dockerfile parse error",
                     options=["--docker-dir", str(folder)])

    def test_exports(self):
        """Each is an error, and nothing of it is left."""
        config = json.dumps({"architecture": "amd64", "os": "linux",
                             "rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}).encode()
        manifest = json.dumps([{"Config": "c.json", "Layers": ["l.tar"]}]).encode()
        whole = archive({"manifest.json": manifest, "c.json": config, "l.tar": archive({"a": b"a"})})
        for says, why in ((answer({"message": "gone"}, "404 Not Found"), "gone"),
                          (answer(b"<html>", kind="text/html"), "the archive of app:v1"),
                          (answer(b""), "the archive of app:v1"),
                          (answer(whole)[:-5000], "bad HTTP message"),
                          (b"HTTP/1.1 200 OK\r\n\r\n" + whole[:3000], "the archive of app:v1"),
                          (answer(whole), "to have the digest"),
                          (answer(archive({"a": b"b"})), "manifest.json"),
                          (answer(archive({"manifest.json": b"[]"})), "archive of one image")):
            with self.subTest(why=why):
                self.has(**{"/get": says})
                self.refuses("E50", "app:v1", why)

    def test_exports_of_each_layout(self):
        """Docker's old archives, those it writes since version 25, and those of its containerd store,
        whose layers are compressed, give the same image."""
        layer = archive({"app": b"no program"})
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/app"]},
                             "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
        results = []
        for blob, blobs in ((layer, False), (layer, True), (gzip.compress(layer), True)):
            names = ([f"blobs/sha256/{digest(one)[7:]}" for one in (config, blob)] if blobs
                     else [f"{digest(config)[7:]}.json", "0/layer.tar"])
            manifest = json.dumps([{"Config": names[0], "RepoTags": None, "Layers": [names[1]]}])
            files = {names[0]: config, names[1]: blob, "manifest.json": manifest.encode()}
            if blobs:
                files.update({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": b"{}"})
            self.has(**{"/get": answer(archive(files))})
            results.append(self.measurements("app:v1"))
        self.assertEqual(results[1:], results[:1] * 2)

    def test_an_export_beyond_the_disk(self):
        """Ends when the disk, here a limit on files, is full."""
        def forever(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(bytes(1 << 20))
        self.has(**{"/get": forever})
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, limit)
        status, out, errors = self.build("app:v1")
        self.assertNotEqual(status, 0)
        self.assertEqual((out, self.left_behind()), ("", []), errors)

    def test_killed_at_work(self):
        """SIGINT and SIGKILL in a pull, an export and a build leave no file."""
        folder = self.folder("context", {"Dockerfile": "FROM scratch\n"})
        for signal_number in (signal.SIGINT, signal.SIGKILL):
            for end, options in (("/images/create", []), ("/get", []),
                                 ("/build", ["--docker-dir", str(folder)])):
                with self.subTest(end=end, signal=signal_number):
                    begun = threading.Event()

                    def stall(connection):
                        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" +
                                           (bytes(3 << 20) if end == "/get" else b"{}"))
                        begun.set()
                        while connection.recv(65536):
                            pass
                    self.stand_in({end: stall,
                                   **({"/json": answer(INSPECTION)} if end == "/get" else {})})
                    with self.start("app:v1", *options) as process:
                        self.assertTrue(begun.wait(harness.SECONDS))
                        process.send_signal(signal_number)
                        process.communicate(timeout=harness.SECONDS)
                    self.assertEqual(process.returncode, -signal_number)
                    self.assertEqual(self.left_behind(), [])

    def test_tls(self):
        """DOCKER_TLS_VERIFY: the daemon must be of the authority, and sees the client's certificate."""
        certificates = self.directory / "certificates"
        certificates.mkdir()

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                           cwd=certificates, stdin=subprocess.DEVNULL)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        openssl("req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca")
        for name, private in (("server", "server-key.pem"), ("cert", "key.pem")):
            openssl("req", "-x509", *key, "-keyout", private, "-out", f"{name}.pem", "-subj",
                    f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-addext",
                    "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca-key.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        seen = []
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        seen.append(connection.getpeercert()["subject"])
                        asked = connection.recv(65536)
                        connection.sendall(answer(b"OK") if b"/_ping" in asked
                                           else answer({"message": "over TLS"}, "500 Error"))
                except OSError:
                    pass
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        port = listener.getsockname()[1]
        secure = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
        self.refuses("E50", "app:v1", "over TLS", DOCKER_HOST=f"tcp://localhost:{port}", **secure)
        self.assertEqual(seen[-1], ((("commonName", "cert"),),))
        # Another name than the certificate's.
        self.refuses("E50", "app:v1", "IP address mismatch", DOCKER_HOST=f"tcp://127.0.0.1:{port}", **secure)
        # Another authority.
        openssl("req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=no")
        self.refuses("E50", "app:v1", "where DOCKER_HOST says",
                     DOCKER_HOST=f"tcp://localhost:{port}", **secure)

    def test_credentials_are_for_their_registry(self):
        """X-Registry-Auth has them, and no sentence does."""
        heads = []

        def pull(connection):
            connection.sendall(answer(b'{"error":"denied"}'))
        stand_in = self.stand_in({"/images/create": pull})
        talk = stand_in.talk

        def listen(connection):
            heads.append(connection.recv(65536, socket.MSG_PEEK))
            talk(connection)
        stand_in.talk = listen
        docker = self.directory / "home/.docker"
        docker.mkdir()
        secret = base64.b64encode(b"user:pass-word").decode()
        (docker / "config.json").write_text(
            json.dumps({"auths": {"registry.example": {"auth": secret}}}))
        errors = self.refuses("E50", "registry.example/team/app:v1", "denied")
        self.assertNotIn("pass-word", errors)
        [head] = [one for one in heads if b"/images/create" in one]
        self.assertIn(b"POST /images/create?fromImage=registry.example/team/app&tag=v1 ", head)
        [auth] = [line.split(b": ")[1] for line in head.split(b"\r\n")
                  if line.startswith(b"X-Registry-Auth")]
        sent = json.loads(base64.urlsafe_b64decode(auth))
        self.assertEqual((sent["username"], sent["password"]), ("user", "pass-word"))
        self.refuses("E50", "other.example/team/app:v1", "denied")
        self.assertNotIn(b"X-Registry-Auth", heads[-1])

    def test_what_docker_host_can_be(self):
        for host in ("ssh://host", "unix://relative", "tcp://", "tcp://host:0", "tcp://host:99999",
                     "tcp://a b", "tcp://[::1", "/var/run/docker.sock"):
            with self.subTest(host=host):
                self.refuses("E50", "app:v1", "expected unix:///PATH or tcp://HOST:PORT as DOCKER_HOST",
                             DOCKER_HOST=host)
        self.refuses("E50", "app:v1", "ca.pem", DOCKER_HOST="tcp://localhost:1",
                     DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(self.directory))


if __name__ == "__main__":
    unittest.main()
