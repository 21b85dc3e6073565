"""build-enclave end to end: the same image gives the same bytes, notes, and little memory."""

import hashlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tarfile
import tempfile
import unittest

import forge
from harness import BINARY_DIR, CASEMATE, Machine

MEBIBYTE = 1 << 20


class Build(unittest.TestCase):

    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        directory = tempfile.TemporaryDirectory(prefix="casemate-build.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.output = self.directory / "image.eif"

    def build(self, uri, *command, environment=None, **options):
        """build-enclave's process, ended well, and what it used (getrusage(2))."""
        arguments = ["build-enclave", "--docker-uri", uri, "--output-file", str(self.output)]
        with (self.directory / "out").open("w+") as out, subprocess.Popen(
                [CASEMATE, *arguments, *(["--", *command] if command else [])], stdout=out,
                stderr=subprocess.STDOUT, env={**self.machine.environment, **(environment or {})},
                **options) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            text = pathlib.Path(out.name).read_text()
        self.assertEqual(process.returncode, 0, text)
        return text, used

    def measured(self):
        """The sections that are measured, as they stand in the file."""
        return [(kind, data) for kind, data in forge.sections_of(self.output.read_bytes())
                if kind != forge.METADATA]

    def root(self, name, reverse):
        """The same files whatever the name, made in another order."""
        root = self.directory / name
        root.mkdir(mode=0o755)
        for number in sorted(range(40), reverse=reverse):
            path = root / f"file {number}"
            path.write_bytes(bytes([number]) * number * 100)
            path.chmod(0o755 if number % 3 else 0o4711)
            if number % 5 == 0:
                os.utime(path, (number, 10**9 + reverse))
        os.symlink("../outside", root / "link")
        os.link(root / "file 7", root / "second name")
        root.chmod(0o755)
        return root

    def test_the_same_image_gives_the_same_bytes_whenever_and_wherever(self):
        self.build(f"dir:{self.root('one', False)}", "/app")
        first = self.measured()
        elsewhere = self.root("another place", True)
        home = self.directory / "home"
        home.mkdir()
        kernels = json.loads(self.machine.run("doctor", "--output", "json").stdout)["Findings"]
        kernel = next(found["Found"] for found in kernels if found["Name"] == "Guest kernel")
        self.build(f"dir:{elsewhere}", "/app", cwd=elsewhere, umask=0o077, environment={
            "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "HOME": str(home), "TMPDIR": str(home),
            "SOURCE_DATE_EPOCH": "1", "CASEMATE_KERNEL_DIR": kernel})
        self.assertTrue(self.measured() == first)
        self.assertEqual([kind for kind, _ in first],
                         [forge.KERNEL, forge.CMDLINE, forge.RAMDISK, forge.RAMDISK])
        shown = self.machine.json("describe-eif", "--eif-path", self.output)["Measurements"]
        self.assertEqual({name: shown[name] for name in ("PCR0", "PCR1", "PCR2")},
                         forge.pcrs(first))
        # And another file gives another one.
        (elsewhere / "file 7").write_bytes(b"changed")
        self.build(f"dir:{elsewhere}", "/app")
        self.assertFalse(self.measured() == first)

    def test_the_guests_first_process_is_static_and_small(self):
        program = (BINARY_DIR / "lib/casemate/init").read_bytes()
        self.assertLess(len(program), 1_000_000)
        offset, = struct.unpack_from("<Q", program, 0x20)
        size, count = struct.unpack_from("<HH", program, 0x36)
        kinds = [struct.unpack_from("<I", program, offset + i * size)[0] for i in range(count)]
        load, interpreter = 1, 3
        self.assertIn(load, kinds)
        self.assertNotIn(interpreter, kinds)

    def test_attributes_that_are_left_out_are_told(self):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            entry = tarfile.TarInfo("app")
            entry.pax_headers = {"SCHILY.xattr.security.capability": "x"}
            tar.addfile(entry)
        digest = hashlib.sha256(layer.getvalue()).hexdigest()
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/app"]},
                             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}})
        manifest = [{"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["layer.tar"]}]
        archive = self.directory / "saved.tar"
        with tarfile.open(archive, "w") as tar:
            for name, data in (("manifest.json", json.dumps(manifest).encode()),
                               ("config.json", config.encode()),
                               ("layer.tar", layer.getvalue())):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        text, _ = self.build(f"docker-archive:{archive}")
        self.assertRegex(text, "Note: .*1 file.*attribute")

    def test_a_large_image_needs_little_memory(self):
        large = self.directory / "large"
        large.mkdir()
        with (large / "zeros").open("wb") as zeros:
            zeros.truncate(256 * MEBIBYTE)
        if shutil.disk_usage(self.directory).free < 1024 * MEBIBYTE:
            self.skipTest(f"SKIPPED: too little room in {self.directory}")
        _, used = self.build(f"dir:{large}", "/app")
        self.assertGreater(self.output.stat().st_size, 256 * MEBIBYTE)
        # ru_maxrss is in KiB.
        self.assertLess(used.ru_maxrss, 128 * 1024)


if __name__ == "__main__":
    unittest.main(verbosity=2)
