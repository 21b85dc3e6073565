"""Images made elsewhere and images that fail to boot; an image's configuration, console and end."""

import concurrent.futures
import contextlib
import gzip
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import zlib

import forge
from harness import BINARY_DIR, CASEMATE, ECHO, Enclave, LinuxGuestTest, eventually
from lifecycle_test import nsm
from stream_test import expected_pattern

INIT = BINARY_DIR / "lib/casemate/init"
PEER = BINARY_DIR / "tests/guest-root/bin/guest-peer"
MAKE_IMAGE = pathlib.Path(__file__).parent.parent / "guest/make_image.py"


class Forged(LinuxGuestTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(prefix="casemate-boot.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        findings = cls.machine.json("doctor", "--output", "json")["Findings"]
        cls.kernels = pathlib.Path(next(finding["Found"] for finding in findings
                                        if finding["Name"] == "Guest kernel"))

    def image(self, kernel, *ramdisks):
        sections = [(forge.KERNEL, (self.kernels / kernel).read_bytes()),
                    (forge.CMDLINE, forge.AWS_CMDLINE), (forge.METADATA, forge.AWS_METADATA),
                    *((forge.RAMDISK, ramdisk) for ramdisk in ramdisks)]
        path = self.directory / "image.eif"
        path.write_bytes(forge.eif(sections))
        return path, forge.pcrs(sections)

    def failed(self, eif, *options):
        """run-enclave fails with E36, leaves nothing, and this is what ps --all says."""
        done = self.machine.run("run-enclave", "--eif-path", eif, "--cpu-count", 1, "--memory", 256,
                                *options)
        self.assertEqual((done.returncode, done.stdout), (39, ""), done.stderr)
        self.assertIn("[ E36 ]", done.stderr)
        record = self.machine.json("ps", "--all", "--output", "json")[-1]
        self.assertIn(record["Reason"], done.stderr)
        self.assertIn(f"casemate logs {record['EnclaveID']}", done.stderr)
        for directory in ("enclaves", "cid"):
            self.assertEqual(list((self.machine.runtime / directory).iterdir()), [])
        eventually(lambda: not self.machine.processes(), "no process left")
        return record

    def test_an_image_as_awss_builder_makes_it_boots(self):
        """bzImage, gzip'ed ramdisks, cmd and env and none of our own files beside them."""
        boot = forge.cpio([forge.directory("dev"), forge.file("init", INIT.read_bytes(), 0o755)])
        places = ("", "/bin", "/dev", "/proc", "/run", "/sys", "/tmp", "/var")
        customer = forge.cpio([
            *(forge.directory(f"rootfs{place}") for place in places),
            forge.file("rootfs/bin/guest-peer", PEER.read_bytes(), 0o755),
            forge.file("cmd", b"guest-peer\nserve\n"),
            forge.file("env", b"PATH=/nowhere:/bin\nCARD=1234 5678\n")])
        eif, expected = self.image("bzImage", gzip.compress(boot, 1), gzip.compress(customer, 1))
        enclave = self.machine.start(eif=eif)
        described = self.machine.json("describe-enclaves", "--metadata")[0]
        self.assertEqual(list(described), [
            "EnclaveName", "EnclaveID", "ProcessID", "EnclaveCID", "NumberOfCPUs", "CPUIDs",
            "MemoryMiB", "State", "Flags", "Measurements", "ImageName", "ImageVersion", "Metadata"])
        self.assertEqual(list(described["Measurements"].items()),
                         [("HashAlgorithm", "Sha384 { ... }"), *expected.items()])
        self.assertEqual(described["Measurements"],
                         self.machine.json("describe-eif", "--eif-path", eif)["Measurements"])
        for index in (0, 1, 2):
            self.assertEqual(nsm(enclave, f"pcr {index}")["DescribePCR"]["data"].hex(),
                             expected[f"PCR{index}"])
        self.assertEqual(enclave.command("env CARD"), "ok 1234 5678")
        self.assertEqual(enclave.command("id"), "ok uid 0 gid 0 groups cwd /")
        enclave.terminate()
        # The program was asked first, and SIGTERM ended it.
        record = enclave.ended()
        self.assertEqual((record["EndKind"], record["Signal"]), ("terminated", signal.SIGTERM))

    def test_an_image_in_awss_layout_boots_with_a_third_ramdisk_and_odd_spaces(self):
        """What build-enclave makes with a folder of AWS's blobs, which stand-ins fill here."""
        blobs = self.directory / "blobs"
        blobs.mkdir()
        (blobs / "bzImage").write_bytes((self.kernels / "bzImage").read_bytes())
        (blobs / "init").write_bytes(INIT.read_bytes())
        (blobs / "cmdline").write_bytes(b"\n  " + forge.AWS_CMDLINE.replace(b" ", b"   ") + b" \t\n")
        built = self.directory / "built.eif"
        subprocess.run([CASEMATE, "build-enclave", "--docker-uri",
                        f"dir:{BINARY_DIR / 'tests/guest-root'}", "--output-file", built, "--",
                        "/bin/guest-peer", "serve"], check=True, capture_output=True,
                       env={**self.machine.environment, "NITRO_CLI_BLOBS": str(blobs)})
        sections = forge.sections_of(built.read_bytes())
        self.assertEqual(sections[1][1], forge.AWS_CMDLINE.replace(b" ", b"   "))
        third = forge.cpio([forge.file("env", b"CARD=of the third\n")])
        sections.append((forge.RAMDISK, gzip.compress(third)))
        eif = self.directory / "three.eif"
        eif.write_bytes(forge.eif(sections))
        enclave = self.machine.start(eif=eif)
        for name, value in forge.pcrs(sections).items():
            self.assertEqual(nsm(enclave, f"pcr {name[3:]}")["DescribePCR"]["data"].hex(), value)
        self.assertEqual(enclave.command("env CARD"), "ok of the third")
        enclave.terminate()

    def test_a_guest_that_panics_at_boot_is_told(self):
        eif, _ = self.image("vmlinux", forge.cpio([forge.directory("dev")]))
        record = self.failed(eif)
        self.assertEqual(record["EndKind"], "guest-panic")
        self.assertIn("Kernel panic", record["Reason"])

    def test_a_guest_that_never_sends_its_heartbeat_is_told(self):
        eif, _ = self.image("vmlinux", forge.SILENT_RAMDISK)
        record = self.failed(eif, "--boot-timeout", 6)
        self.assertEqual(record["EndKind"], "heartbeat-timeout")
        self.assertIn("6000 ms", record["Reason"])

    def test_a_program_that_is_not_there_is_told_on_the_console_and_by_ps(self):
        eif = self.directory / "image.eif"
        self.machine.json("build-enclave", "--docker-uri", f"dir:{BINARY_DIR}/tests/guest-root",
                          "--output-file", eif, "--", "/bin/missing")
        enclave = self.machine.start("--debug-mode", eif=eif)
        record = enclave.ended()
        self.assertEqual(record["EndKind"], "init-failed")
        self.assertIn("/bin/missing", record["Reason"])
        console = self.machine.run("logs", enclave.id).stdout
        sentence = record["Reason"].split("init could not start the program: ")[1]
        self.assertIn(sentence, console)
        self.assertNotIn("Kernel panic", console)


class Container(LinuxGuestTest):
    """One enclave of a container image with USER, WORKDIR, ENV, ENTRYPOINT and CMD, by --config, in
    debug mode with its console attached, from its start to its end."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-boot.")
        self.addCleanup(directory.cleanup)
        base = pathlib.Path(directory.name)
        subprocess.run([sys.executable, MAKE_IMAGE, "--user", "peer", "--workdir", "/srv/data",
                        "--env", "CARD=1234 5678", BINARY_DIR / "tests/guest-root",
                        base / "layout", "/bin/guest-peer", "serve"], check=True)
        self.machine.json("build-enclave", "--docker-uri", f"oci:{base}/layout", "--output-file",
                          base / "image.eif")
        (base / "run.json").write_text(json.dumps({
            "eif_path": str(base / "image.eif"), "enclave_name": "life", "enclave_cid": 4711,
            "cpu_count": 1, "memory_mib": 256, "debug_mode": True}))
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.attached = self.started("run-enclave", "--config", base / "run.json",
                                     "--attach-console")
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(self.attached.stdout.readline())
            self.assertTrue(lines[-1], self.attached.poll())
        self.enclave = Enclave(self.machine, json.loads("".join(lines)))

    def started(self, *arguments):
        process = subprocess.Popen([CASEMATE, *map(str, arguments)], env=self.machine.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    @staticmethod
    def read_until(process, text):
        """Everything up to the line that holds text."""
        lines = []
        for line in process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"expected {text}, found the end after {''.join(lines)[-2000:]}")

    def verb(self, *arguments):
        process = subprocess.Popen([CASEMATE, "vsock", *map(str, arguments)],
                                   env=self.machine.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def talk_by_the_vsock_verbs(self):
        """To the guest's echo service and back; and what the guest sends to a port of the parent."""
        connected = self.verb("connect", self.enclave.cid, ECHO)
        self.assertEqual(connected.communicate(b"there and back", timeout=60),
                         (b"there and back", b""))
        self.assertEqual(connected.returncode, 0)
        listening = self.verb("listen", 7005)
        self.assertIn(b"Listening", listening.stderr.readline())
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.enclave.command, "send 3 7005 131072")
            received, _ = listening.communicate(b"the parent's answer\n", timeout=60)
            self.assertEqual(asked.result(), "ok the parent's answer")
        self.assertEqual((len(received), zlib.crc32(received)), (131072, expected_pattern(131072)))
        self.assertEqual(listening.returncode, 0)

    def test_from_start_to_end(self):
        enclave = self.enclave
        self.assertEqual((enclave.cid, enclave.description["EnclaveName"]), (4711, "life"))
        self.assertEqual(enclave.command("id"), "ok uid 1000 gid 1000 groups 2000 cwd /srv/data")
        self.assertEqual(enclave.command("env CARD"), "ok 1234 5678")
        self.assertEqual(enclave.command("orphans 5"), "ok 5 reaped")
        taken = self.machine.run("run-enclave", "--eif-path", BINARY_DIR / "tests/guest.eif",
                                 "--cpu-count", 1, "--memory", 256, "--enclave-cid", 4711)
        self.assertEqual(taken.returncode, 39)
        self.assertIn("[ E29 ]", taken.stderr)
        self.assertIn("CID 4711 belongs to an enclave that is running", taken.stderr)

        self.talk_by_the_vsock_verbs()

        reader = self.started("console", "--enclave-name", "life")
        asleep = self.started("console", "--enclave-id", enclave.id)
        self.read_until(asleep, "Successfully connected")
        asleep.send_signal(signal.SIGSTOP)
        self.assertEqual(enclave.command("say after both were there"), "ok")
        for process in (self.attached, reader):
            shown = self.read_until(process, "after both were there")
            self.assertIn("Linux version", shown)

        self.assertEqual(enclave.command("deaf"), "ok")
        answer = self.machine.json("terminate-enclave", "--enclave-name", "life")
        self.assertEqual(answer, {"EnclaveName": "life", "EnclaveID": enclave.id,
                                  "Terminated": True})
        record = enclave.ended()
        self.assertEqual((record["EndKind"], record["Signal"]), ("terminated", signal.SIGKILL))
        for process in (self.attached, reader):
            process.stdout.read()
            self.assertEqual(process.wait(60), 0)
        logs = self.machine.run("logs", enclave.id).stdout
        self.assertIn("after both were there", logs)
        self.assertIn(record["Reason"], logs)


if __name__ == "__main__":
    unittest.main(verbosity=2)
