"""What the tests of pulling share: casemate with a home of its own."""

import base64
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
CASEMATE = BINARY_DIR / "bin/casemate"
SECONDS = 120


def auths(host, user, password):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"auths": {host: {"auth": pair}}}


class PullTest(unittest.TestCase):
    """A directory with a home and a place for the output."""

    # runner: a command that casemate is run by.
    runner = ()

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-pull.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.home = self.directory / "home"
        self.output = self.directory / "output" / "image.eif"
        self.spool = self.directory / "temporary"
        for one in (self.home, self.output.parent, self.spool):
            one.mkdir()
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("DOCKER_", "REGISTRY_", "XDG_", "SSL_"))
                and not name.upper().endswith("_PROXY")}
        # The kernel's cache stays the user's; credentials are the test's.
        self.environment = dict(
            kept, HOME=str(self.home), TMPDIR=str(self.spool),
            XDG_CACHE_HOME=os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
            XDG_RUNTIME_DIR=str(self.directory / "run"),
            CASEMATE_STATE_DIR=str(self.directory / "state"),
            CASEMATE_RUNTIME_DIR=str(self.directory / "runtime"),
            NITRO_CLI_LOGS_PATH=str(self.directory / "logs"))
        (self.directory / "logs").mkdir()

    def log_in(self, host, user, password):
        (self.home / ".docker").mkdir(exist_ok=True)
        (self.home / ".docker/config.json").write_text(json.dumps(auths(host, user, password)))

    def start(self, uri, *options):
        return subprocess.Popen(
            [*self.runner, CASEMATE, "build-enclave", "--docker-uri", uri, "--output-file", self.output, *options],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def build(self, uri, *options):
        process = self.start(uri, *options)
        with process:
            out, errors = process.communicate(timeout=SECONDS)
        return process.returncode, out, errors

    def pulls(self, uri, *options):
        """The measurements of an image that can be pulled."""
        status, out, errors = self.build(uri, *options)
        self.assertEqual(status, 0, errors)
        return json.loads(out)["Measurements"]

    def refuses(self, uri, *sentences, options=()):
        """An image that can't: E50 with these sentences, and all files are as they were."""
        before = self.left_behind()
        status, out, errors = self.build(uri, *options)
        self.assertEqual((status, out), (50, ""), errors)
        self.assertIn("[ E50 ]", errors)
        for sentence in sentences:
            self.assertIn(sentence, errors)
        self.assertEqual(self.left_behind(), before)
        return errors

    def left_behind(self):
        """The files of the output's place and of $TMPDIR, with their times."""
        return [(str(one), one.stat().st_mtime_ns) for place in (self.output.parent, self.spool)
                for one in place.iterdir()]
