"""What the tests of Docker daemons share: casemate in an environment of its own."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
CASEMATE = BINARY_DIR / "bin/casemate"
SECONDS = 120

DROPPED = ("DOCKER_", "REGISTRY_", "XDG_", "SSL_", "BUILDAH_", "CONTAINERS_", "STORAGE_")


def eventually(condition, what, seconds=60.0):
    """Waits until condition() is true and returns its value; fails the test otherwise."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"expected within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return value


class DaemonTest(unittest.TestCase):
    """A directory with a home, a place for the output, and one for temporary files."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-daemon.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.output = self.directory / "output" / "image.eif"
        self.temporary = self.directory / "temporary"
        for name in ("home", "output", "temporary", "logs"):
            (self.directory / name).mkdir()
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(DROPPED) and not name.upper().endswith("_PROXY")}
        self.environment = dict(
            kept, HOME=str(self.directory / "home"), TMPDIR=str(self.temporary),
            XDG_CACHE_HOME=os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
            XDG_RUNTIME_DIR=str(self.directory / "run"),
            CASEMATE_STATE_DIR=str(self.directory / "state"),
            CASEMATE_RUNTIME_DIR=str(self.directory / "runtime"),
            NITRO_CLI_LOGS_PATH=str(self.directory / "logs"))

    def start(self, uri, *options, **environment):
        return subprocess.Popen(
            [CASEMATE, "build-enclave", "--docker-uri", uri, "--output-file", self.output, *options],
            env=dict(self.environment, **environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def build(self, uri, *options, **environment):
        with self.start(uri, *options, **environment) as process:
            out, errors = process.communicate(timeout=SECONDS)
        return process.returncode, out, errors

    def measurements(self, uri, *options, says=(), **environment):
        """The measurements of an image that can be built, after these lines on standard error."""
        status, out, errors = self.build(uri, *options, **environment)
        self.assertEqual(status, 0, errors)
        for line in says:
            self.assertIn(line, errors.splitlines())
        return json.loads(out)["Measurements"]

    def refuses(self, code, uri, *sentences, options=(), **environment):
        """A build that fails with this code and these sentences, and leaves all files as they were."""
        before = self.left_behind()
        status, out, errors = self.build(uri, *options, **environment)
        self.assertEqual((status, out), (int(code[1:]), ""), errors)
        self.assertIn(f"[ {code} ]", errors)
        for sentence in sentences:
            self.assertIn(sentence, errors)
        self.assertEqual(self.left_behind(), before)
        return errors

    def left_behind(self):
        """The files of the output's place and of $TMPDIR, with their times."""
        return sorted((str(one), one.stat().st_mtime_ns)
                      for place in (self.output.parent, self.temporary) for one in place.iterdir())

    def describe(self):
        """What describe-eif says of the output."""
        done = subprocess.run([CASEMATE, "describe-eif", "--eif-path", self.output], check=True,
                              env=self.environment, capture_output=True, text=True)
        return json.loads(done.stdout)

    def folder(self, name, files):
        """A folder of these files: text, or None for another folder."""
        root = self.directory / name
        root.mkdir()
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                (root / path).mkdir()
            else:
                (root / path).write_text(text)
        return root
