"""What the conformance tests share: a parent of its own whose programs are the real ones but for the
security module and the VMM, which fake_parts stands in for. An "image" is then a text that says what
they do (tests/enclave/fake_parts.cpp). The command called is the link `nitro-cli`.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])

# A generous time for what should be at once: a busy builder, not a measure.
PATIENCE = 60

HELP = "\nFor more details, please visit https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html#"
NO_POOL = "No CPU pool is configured: the enclave shares CPUs and memory with this machine.\n"


def eventually(condition, what, seconds=PATIENCE):
    """Waits until condition() is true and returns its value; fails the test otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"expected within {seconds:.0f} s: {what}")
        time.sleep(0.02)


class Parent:
    """A parent of its own: programs, state, runtime and log directories."""

    # Everybody may use the programs; what they make is their user's.
    def __init__(self, fakes=True):
        self._directory = tempfile.TemporaryDirectory(prefix="casemate-nitro-cli.",
                                                      ignore_cleanup_errors=True)
        self.base = pathlib.Path(self._directory.name)
        self.base.chmod(0o755)
        self.programs = self.base / "bin"
        self.programs.mkdir()
        self.runtime = self.base / "run"
        self.images = 0
        real = ["casemate", "casemate-enclave"] + ([] if fakes else ["casemate-vmm", "casemate-nsm"])
        for name in real:
            shutil.copy(BINARY_DIR / "bin" / name, self.programs / name)
        if fakes:
            for name in ("casemate-vmm", "casemate-nsm"):
                shutil.copy(BINARY_DIR / "tests/fake_parts", self.programs / name)
        (self.programs / "nitro-cli").symlink_to("casemate")
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.base),
            "CASEMATE_STATE_DIR": str(self.base / "state"),
            "CASEMATE_RUNTIME_DIR": str(self.runtime),
            "CASEMATE_CONFIG_DIR": str(self.base / "config"),
            # The stand-in for the VMM wants a descriptor, not virtualization.
            "CASEMATE_KVM_DEVICE": "/dev/null", "CASEMATE_ACCEL": "kvm",
            "NITRO_CLI_LOGS_PATH": str(self.base / "no-logs")}

    def close(self):
        self.run("terminate-enclave", "--all")
        for process in self.processes():
            with contextlib.suppress(OSError):
                os.kill(process, 9)
        self._directory.cleanup()

    def command(self, *arguments):
        return [str(self.programs / "nitro-cli"), *map(str, arguments)]

    def run(self, *arguments, before=(), environment=None, **options):
        """Runs nitro-cli and returns the finished process, whatever its status."""
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True,
                   "timeout": 120, "check": False, **options}
        return subprocess.run([*map(str, before), *self.command(*arguments)],
                              env={**self.environment, **(environment or {})}, **options)

    def popen(self, *arguments, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(self.command(*arguments), env=self.environment, **options)

    def json(self, *arguments, **options):
        """Runs nitro-cli, which must succeed, and parses its standard output."""
        done = self.run(*arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"nitro-cli {' '.join(map(str, arguments))}: expected status 0, got "
                                 f"{done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def image(self, script="heartbeat;hello;serve", name=None):
        """An "image" whose stand-ins do what the script says."""
        self.images += 1
        path = self.base / (name or f"image{self.images}.eif")
        path.write_text(script)
        return path

    def run_arguments(self, script="heartbeat;hello;serve", *options, name=None):
        return ["run-enclave", "--eif-path", self.image(script, name), "--cpu-count", 1,
                "--memory", 64, *options]

    def start(self, script="heartbeat;hello;serve", *options, name=None):
        return self.json(*self.run_arguments(script, *options, name=name))

    def processes(self):
        """The ids of all processes that carry this parent's runtime directory."""
        mark = f"CASEMATE_RUNTIME_DIR={self.runtime}".encode()
        found = set()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found

    def left(self):
        """Whatever enclaves may leave: processes, sockets, CIDs, directories."""
        files = {str(path.relative_to(self.runtime)) for path in self.runtime.rglob("*")}
        return self.processes(), files - {"lock", "enclaves", "cid", "parent"}

    def expect_nothing_left(self):
        eventually(lambda: self.left() == (set(), set()),
                   f"no process and no file left, found {self.left()}")


class ParentTest(unittest.TestCase):
    """A test case with a parent of its own, whose enclaves are stand-ins."""

    maxDiff = None
    fakes = True

    @classmethod
    def setUpClass(cls):
        cls.parent = Parent(cls.fakes)
        cls.addClassCleanup(cls.parent.close)

    def tearDown(self):
        self.parent.run("terminate-enclave", "--all")

    def failed(self, done, label, *sentences, status=None, out=""):
        """An error as scripts know it: its first line's head, its help line, its status."""
        self.assertEqual(done.returncode, int(label[1:]) if status is None else status, done.stderr)
        self.assertEqual(done.stdout, out)
        self.assertRegex(done.stderr, rf"(?m)^\[ {label} \] [^.\n]+\. .+")
        self.assertIn(f"{HELP}{label}\n", done.stderr)
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)
        self.calm(done)

    def calm(self, done):
        """AWS's own check of every output; a guest's kernel may panic, the tool may not."""
        text = re.sub("(?i)kernel panic", "", done.stdout + done.stderr)
        for word in ("panic", "terminate called", "Sanitizer"):
            self.assertNotIn(word, text)


HEX96 = re.compile(r"[0-9a-f]{96}")
ID = re.compile(r"i-[0-9a-f]{17}-enc[1-9a-f][0-9a-f]*")
