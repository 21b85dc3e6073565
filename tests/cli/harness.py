"""What the tests of the command line share: the program by both of its names, in an empty environment."""

import os
import pathlib
import subprocess
import tempfile
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])
SOURCE_DIR = pathlib.Path(os.environ["CASEMATE_SOURCE_DIR"])
NAMES = ("casemate", "nitro-cli")
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
SECONDS = 60


class CommandLine(unittest.TestCase):
    """Runs the program in an empty directory; what it is told not to find, it must not need."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def run_program(self, *arguments, name="nitro-cli", **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("env", ENVIRONMENT)
        return subprocess.run([BINARY_DIR / "bin" / name, *arguments], cwd=self.directory, text=True,
                              timeout=SECONDS, **options)
