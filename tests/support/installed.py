"""The libraries for enclaves as they are installed, in a tree that has been moved since."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BINARY_DIR = pathlib.Path(os.environ["CASEMATE_BINARY_DIR"])


def run(*command, **options):
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True,
                          **options).stdout


class Installed(unittest.TestCase):
    """library: the file by which the libraries' directory is found."""

    library = None

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="casemate-link.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        run("cmake", "--install", BINARY_DIR, "--component", "guest", "--prefix",
            cls.directory / "first")
        cls.prefix = cls.directory / "second"
        shutil.move(cls.directory / "first", cls.prefix)
        cls.library, = cls.prefix.rglob(cls.library)
        cls.libraries = cls.library.parent
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(cls.libraries / "pkgconfig"),
                           "LD_LIBRARY_PATH": str(cls.libraries)}
