"""What the Linux-guest tests share: a private state and runtime directory, the casemate program, and
enclaves that are always ended.

The tests are run by ctest, which sets CASEMATE_BINARY_DIR to the build tree. Nothing here opens an
AF_VSOCK socket on the machine: the parent's side is unix sockets.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
CASEMATE = BINARY_DIR / "bin/casemate"
GUEST_EIF = BINARY_DIR / "tests/guest.eif"

# The services of tests/guest/guest_peer.cpp in its mode "serve".
ECHO, SINK, SOURCE, COMMAND = 5000, 5001, 5002, 5003

# An emulated machine on a busy builder: generous, since no test measures time.
BOOT_SECONDS = 180
STREAM_SECONDS = 120

def eventually(condition, what, seconds=30.0):
    """Waits until condition() is true and returns its value; fails the test otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"expected within {seconds:.0f} s: {what}")
        time.sleep(0.05)

class Enclave:
    """A running enclave, as run-enclave described it."""

    def __init__(self, machine, description):
        self.machine = machine
        self.description = description
        self.id = description["EnclaveID"]
        self.cid = description["EnclaveCID"]

    def directory(self):
        return self.machine.runtime / "enclaves" / self.id

    def dial(self, port):
        """A stream to the guest's port; ConnectionRefusedError where nobody listens."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(STREAM_SECONDS)
        stream.connect(str(self.machine.runtime / "cid" / str(self.cid)))
        stream.sendall(f"CONNECT {port}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            byte = stream.recv(1)
            if not byte:
                stream.close()
                raise ConnectionRefusedError(f"CID {self.cid} port {port}: closed after {answer!r}")
            answer += byte
        if not answer.startswith(b"OK "):
            raise AssertionError(f"expected 'OK <number>', got {answer!r}")
        return stream

    def dial_when_up(self, port):
        """A stream to a port that the guest's program opens once it has started."""
        def attempt():
            try:
                return self.dial(port)
            except ConnectionRefusedError:
                return None
        return eventually(attempt, f"a listener on port {port} in the guest", 60)

    def command(self, line):
        """Sends one line to the guest's command service and returns its answer's line."""
        with self.dial_when_up(COMMAND) as stream:
            stream.sendall(line.encode() + b"\n")
            with stream.makefile("rb") as answers:
                return answers.readline().decode().rstrip("\n")

    @contextlib.contextmanager
    def parent_port(self, port):
        """A listening socket that the guest reaches as the parent's port."""
        path = self.directory() / "parent" / str(port)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen(256)
            listener.settimeout(STREAM_SECONDS)
            try:
                yield listener
            finally:
                path.unlink(missing_ok=True)

    def record(self):
        """What ps --all says of this enclave."""
        entries = self.machine.json("ps", "--all", "--output", "json")
        return next(entry for entry in entries if entry["EnclaveID"] == self.id)

    def ended(self, seconds=30):
        """Waits until the enclave has ended and returns its record."""
        def gone():
            record = self.record()
            return record if record["State"] == "ENDED" else None
        return eventually(gone, f"the end of {self.id}", seconds)

    def terminate(self):
        return self.machine.json("terminate-enclave", "--enclave-id", self.id)

class Machine:
    """A parent of its own: separate state and runtime directories."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="casemate-test.")
        base = pathlib.Path(self._directory.name)
        self.state = base / "state"
        self.runtime = base / "run"
        # What /etc/casemate of the machine says is not this one's: it has none until a test makes it.
        self.configuration = base / "config"
        self.environment = dict(os.environ, CASEMATE_STATE_DIR=str(self.state),
                                CASEMATE_RUNTIME_DIR=str(self.runtime),
                                CASEMATE_CONFIG_DIR=str(self.configuration))

    def close(self):
        self.run("terminate-enclave", "--all")
        self._directory.cleanup()

    def run(self, *arguments, timeout=BOOT_SECONDS, **options):
        """Runs casemate and returns the finished process, whatever its status."""
        return subprocess.run([CASEMATE, *map(str, arguments)], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              check=False, **options)

    def popen(self, *arguments):
        """Starts casemate and returns its process."""
        return subprocess.Popen([CASEMATE, *map(str, arguments)], env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def json(self, *arguments, **options):
        """Runs casemate, which must succeed, and parses its standard output."""
        done = self.run(*arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"casemate {' '.join(map(str, arguments))}: expected status 0, got "
                                 f"{done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def start(self, *options, eif=GUEST_EIF, cpus=1, memory=256):
        """Runs an enclave of the guest test image until its heartbeat."""
        return Enclave(self, self.json("run-enclave", "--eif-path", eif, "--cpu-count", cpus,
                                       "--memory", memory, *options))

    def processes(self):
        """The ids of all processes that carry this machine's runtime directory."""
        mark = f"CASEMATE_RUNTIME_DIR={self.runtime}".encode()
        found = set()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found

class LinuxGuestTest(unittest.TestCase):
    """A test case with a machine of its own."""

    @classmethod
    def setUpClass(cls):
        if not GUEST_EIF.exists():
            raise unittest.SkipTest(f"SKIPPED: {GUEST_EIF} is missing (built by the test "
                                    "linux.guest_image)")
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
