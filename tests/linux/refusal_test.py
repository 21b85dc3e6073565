"""What can't be built or run is refused with nitro-cli's number and a sentence, and leaves nothing."""

import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import forge
from harness import CASEMATE, GUEST_EIF, LinuxGuestTest, eventually

KVM = pathlib.Path("/dev/kvm")


def namespaces_missing():
    """Why this machine lets the tests mount nothing, or nothing."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return "SKIPPED: needs root, unshare and setpriv, to hide files"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "SKIPPED: this machine lets root make no namespaces"


class Refusal(LinuxGuestTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(prefix="casemate-refusal.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        (cls.directory / "root").mkdir()
        (cls.directory / "root/app").write_bytes(b"never run")
        cls.sections = [(forge.KERNEL, b"kernel" * 100), (forge.CMDLINE, b"quiet"),
                        (forge.METADATA, forge.AWS_METADATA), (forge.RAMDISK, b"ramdisk" * 100)]

    def left(self):
        """Everything that an enclave which was not started might have left; its history is kept."""
        return (self.machine.processes(),
                {str(path) for path in self.machine.runtime.rglob("*")
                 if path != self.machine.runtime / "lock"})

    def finished(self, done, label, *sentences):
        self.assertEqual(done.stdout, "")
        self.assertIn(f"[ {label} ]", done.stderr)
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)

    def run_refused(self, label, *sentences, eif=GUEST_EIF, cpus=("--cpu-count", 1), memory=256,
                    options=("--accel", "software"), before=(), environment=None):
        """run-enclave fails with the label and status 39, as nitro-cli's, and leaves nothing."""
        self.machine.json("ps", "--output", "json")
        was = self.left()
        command = [*before, CASEMATE, "run-enclave", "--eif-path", eif, *cpus, "--memory", memory,
                   *options]
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              env={**self.machine.environment, **(environment or {})},
                              capture_output=True, text=True, timeout=120, check=False)
        self.finished(done, label, *sentences, "[ E39 ]", "Failed connections: 1")
        self.assertEqual(done.returncode, 39, done.stderr)
        # The supervisor ends a moment after its last word.
        directories = {str(self.machine.runtime / name) for name in ("enclaves", "cid", "parent")}
        expected = (was[0], was[1] | directories)
        eventually(lambda: self.left() == expected, f"{expected}, found {self.left()}")
        return done

    def image(self, contents):
        path = self.directory / "image.eif"
        path.write_bytes(contents)
        return path

    def silent_image(self):
        """An image whose guest never sends its heartbeat."""
        kernel, command_line, metadata = forge.sections_of(GUEST_EIF.read_bytes())[:3]
        return self.image(forge.eif([kernel, command_line, metadata,
                                     (forge.RAMDISK, forge.SILENT_RAMDISK)]))

    def test_an_image_that_is_none_or_damaged(self):
        whole = forge.eif(self.sections)
        good = GUEST_EIF.read_bytes()
        cases = {
            "no image": (b"not an image" * 100, 'expected the file to begin with 2e656966 (".eif")'),
            "empty": (b"", "found an empty file"),
            "half a header": (whole[:300], "truncated"),
            "truncated": (good[:len(good) // 2], "truncated"),
            "wrong CRC": (good[:-1] + bytes([good[-1] ^ 1]), "expected CRC"),
            "overlap": (forge.eif(self.sections, offsets={1: forge.HEADER + 20}),
                        "overlapping what is before it"),
            "oversized": (forge.eif(self.sections, sizes={3: 1 << 40}, section_sizes={3: 1 << 40}),
                          f"expected {1 << 40} bytes of data"),
            "overflow": (forge.eif(self.sections, sizes={0: (1 << 64) - 1},
                                   section_sizes={0: (1 << 64) - 1}),
                         f"expected {(1 << 64) - 1} bytes of data"),
            "two sizes": (forge.eif(self.sections, sizes={0: 5}), "expected a size of 5 bytes"),
            "33 sections": (forge.eif(self.sections, count=33), "expected 2 to 32 sections"),
            "no kernel in it": (forge.eif([*self.sections[1:3], self.sections[3]]),
                                "every ramdisk after the kernel"),
            "a kernel that is none": (whole, "expected an x86-64 bzImage or ELF64 vmlinux"),
        }
        for name, (contents, sentence) in cases.items():
            with self.subTest(name):
                self.run_refused("E35", sentence, "found", eif=self.image(contents))
        reasons = [record["EndKind"] for record in
                   self.machine.json("ps", "--all", "--output", "json")]
        self.assertEqual(set(reasons[-len(cases):]), {"start-failed"})

    def test_an_image_that_is_not_there(self):
        self.run_refused("E19", "/no/such.eif", "failing operation: 'Open'", eif="/no/such.eif")

    def test_too_much_or_too_little_of_something(self):
        minimum = 4 * -(-GUEST_EIF.stat().st_size // (1 << 20))
        self.run_refused("E26", f"found {minimum - 1} MB", f"should be {minimum} MB",
                         memory=minimum - 1)
        self.run_refused("E26", "greater than 0 MB", memory=0)
        self.run_refused("E27", "expected 1048576 MB of free memory", memory="1T")
        there = len(os.sched_getaffinity(0))
        self.run_refused("E22", f"expected at most {there} CPUs", f"found {there + 1}",
                         cpus=("--cpu-count", there + 1))
        self.run_refused("E29", "at least 1 CPU", cpus=("--cpu-count", 0))
        self.run_refused("E20", "CPU 0 again", cpus=("--cpu-ids", 0, 0))
        self.run_refused("E21", "CPU 100000", cpus=("--cpu-ids", 100000))

    def test_cids_that_no_enclave_can_have(self):
        for cid in (1, 2, 3, 0xffffffff, 1 << 32, "x"):
            with self.subTest(cid=cid):
                done = self.machine.run("run-enclave", "--eif-path", GUEST_EIF, "--cpu-count", 1,
                                        "--memory", 256, "--enclave-cid", cid)
                self.finished(done, "E03", "enclave-cid", str(cid))
                self.assertEqual(done.returncode, 3)

    def test_a_software_host_that_does_not_come_up_is_started_twice_and_then_told(self):
        emulator, starts = self.directory / "qemu", self.directory / "starts"
        emulator.write_text(f"#!/bin/sh\necho start >>{starts}\necho no such machine >&2\nexit 3\n")
        emulator.chmod(0o755)
        self.run_refused("E36", "no such machine", "exit status 3",
                         environment={"CASEMATE_QEMU": str(emulator)})
        self.assertEqual(starts.read_text(), "start\nstart\n")
        self.run_refused("E29", "CASEMATE_QEMU", "/no/such/qemu",
                         environment={"CASEMATE_QEMU": "/no/such/qemu"})

    def test_a_software_host_whose_kvm_fails_its_self_test_is_started_twice_and_then_told(self):
        real = shutil.which("qemu-system-x86_64", path=os.environ["PATH"] + ":/usr/bin")
        if real is None:
            self.skipTest("SKIPPED: there is no qemu-system-x86_64")
        # The same machine without the processor's virtualization.
        emulator, starts = self.directory / "qemu", self.directory / "starts"
        emulator.write_text(f"#!{sys.executable}\nimport os, sys\n"
                            f"open('{starts}', 'a').write('start\\n')\n"
                            f"os.execv('{real}', ['{real}', *(word.replace('+svm,+npt', '-svm')"
                            " for word in sys.argv[1:])])\n")
        emulator.chmod(0o755)
        starts.unlink(missing_ok=True)
        self.run_refused("E36", "load /modules/kvm-amd.ko", environment={"CASEMATE_QEMU": str(emulator)})
        self.assertEqual(starts.read_text(), "start\nstart\n")

    def test_terminated_before_the_heartbeat(self):
        with subprocess.Popen(
                [CASEMATE, "run-enclave", "--eif-path", self.silent_image(), "--cpu-count", "1",
                 "--memory", "256", "--accel", "software"], env=self.machine.environment,
                stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starting:
            for line in starting.stderr:
                if line.startswith("Started enclave"):
                    break
            self.assertEqual(self.machine.json("describe-enclaves")[0]["State"], "EMPTY")
            answers = self.machine.json("terminate-enclave", "--all")
            self.assertEqual(len(answers), 1)
            out, errors = starting.communicate(timeout=60)
            self.assertEqual((starting.returncode, out), (39, ""))
            self.assertIn("terminated by terminate-enclave", errors)
            self.assertEqual(self.machine.json("describe-enclaves"), [])

    def test_no_emulator_on_the_machine(self):
        if reason := namespaces_missing():
            self.skipTest(reason)
        found = [pathlib.Path(place) / "qemu-system-x86_64"
                 for place in [*os.environ["PATH"].split(":"), "/usr/bin"]]
        hidden = " ".join(f"mount --bind /dev/null {path} &&"
                          for path in dict.fromkeys(found) if path.exists())
        self.run_refused("E29", "qemu-system-x86_64", "install the package qemu-system-x86",
                         before=("unshare", "-m", "sh", "-c", f'{hidden} exec "$@"', "-"),
                         environment={"CASEMATE_QEMU": ""})

    def test_a_kvm_device_that_may_not_be_opened(self):
        if reason := namespaces_missing():
            self.skipTest(reason)
        if not KVM.exists():
            self.skipTest("SKIPPED: there is no /dev/kvm to hide")
        # A file of mode 0 in its place, and a root without the right to open it all the same.
        closed = self.directory / "closed"
        closed.touch(mode=0)
        before = ("unshare", "-m", "sh", "-c", f'mount --bind {closed} {KVM} && exec "$@"', "-",
                  "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
        self.run_refused("E19", "'/dev/kvm'", "Permission denied", "casemate doctor", before=before,
                         options=("--accel", "kvm"))
        doctor = subprocess.run([*before, CASEMATE, "doctor"], env=self.machine.environment,
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("usermod -aG kvm", doctor.stdout)

    def test_run_enclave_interrupted_while_the_guest_boots(self):
        eif = self.silent_image()
        was = self.left()
        for number, moment in ((signal.SIGINT, "Start allocating"),
                               (signal.SIGTERM, "Started enclave")):
            with self.subTest(moment), subprocess.Popen(
                    [CASEMATE, "run-enclave", "--eif-path", eif, "--cpu-count", "1",
                     "--memory", "256", "--accel", "software"], env=self.machine.environment,
                    stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starting:
                for line in starting.stderr:
                    if line.startswith(moment):
                        break
                starting.send_signal(number)
                out, _ = starting.communicate(timeout=60)
                self.assertEqual((starting.returncode, out), (-number, ""))
                eventually(lambda: self.left()[0] == was[0], f"{was}, found {self.left()}")
                self.assertEqual(self.machine.json("describe-enclaves"), [])
                self.assertEqual(list((self.machine.runtime / "cid").iterdir()), [])
                record = self.machine.json("ps", "--all", "--output", "json")[-1]
                self.assertEqual(record["EndKind"], "terminated")
                self.assertIn("before the enclave had started", record["Reason"])

    def build_refused(self, label, *sentences, uri=None, before=(), options=()):
        """build-enclave fails with the label's number and writes nothing."""
        output = self.directory / "output"
        output.mkdir(exist_ok=True)
        command = [*before, CASEMATE, "build-enclave", "--docker-uri",
                   uri or f"dir:{self.directory}/root", "--output-file", output / "image.eif",
                   *options, "--", "/app"]
        done = subprocess.run([str(word) for word in command], env=self.machine.environment,
                              capture_output=True, text=True, timeout=120, check=False)
        self.finished(done, label, *sentences)
        self.assertEqual(done.returncode, int(label[1:]), done.stderr)
        self.assertEqual(list(output.iterdir()), [])

    def test_builds_without_their_parts(self):
        self.build_refused("E48", "/no/kernel", options=("--kernel", "/no/kernel"))
        for uri in ("dir:/no/root", "oci:/no/layout", "docker-archive:/no/file"):
            with self.subTest(uri):
                self.build_refused("E50", uri.split(":")[1], uri=uri)

    def test_a_corrupt_layer(self):
        layout = self.directory / "layout"
        blobs = layout / "blobs/sha256"
        blobs.mkdir(parents=True)

        def blob(data, kind, digest=None):
            digest = digest or forge.hashlib.sha256(data).hexdigest()
            (blobs / digest).write_bytes(data)
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}",
                    "size": len(data)}

        def layered(layer, text):
            config = blob(json.dumps({
                "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
                    "type": "layers", "diff_ids": ["sha256:" + forge.hashlib.sha256(
                        text).hexdigest()]}}).encode(), "config.v1+json")
            manifest = blob(json.dumps({"schemaVersion": 2, "config": config,
                                        "layers": [layer]}).encode(), "manifest.v1+json")
            (layout / "index.json").write_text(json.dumps({"schemaVersion": 2,
                                                           "manifests": [manifest]}))
            (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
            return f"oci:{layout}"

        text = bytes(10240)
        packed = gzip.compress(text, mtime=0)
        whole = forge.hashlib.sha256(packed).hexdigest()
        self.build_refused("E50", whole, uri=layered(
            blob(packed[:-1] + b"\xff", "layer.v1.tar+gzip", whole), text))
        self.build_refused("E50", "gzip", uri=layered(
            blob(packed[:20], "layer.v1.tar+gzip"), text))

    def test_a_full_disk(self):
        if reason := namespaces_missing():
            self.skipTest(reason)
        output = self.directory / "output"
        # The file system is gone with its namespace, so it is listed inside.
        script = f'mount -t tmpfs -o size=1m none {output}; "$@"; echo "$?:$(ls -A {output})" >&2'
        output.mkdir(exist_ok=True)
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "-", CASEMATE, "build-enclave", "--docker-uri",
             f"dir:{self.directory}/root", "--output-file", output / "image.eif", "--", "/app"],
            env=self.machine.environment, capture_output=True, text=True, timeout=120, check=False)
        self.finished(done, "E19", "No space left on device", "failing operation: 'Write'")
        self.assertEqual(done.stderr.splitlines()[-1], "19:")


if __name__ == "__main__":
    unittest.main(verbosity=2)
