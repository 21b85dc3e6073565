"""The whole path on the machine's own /dev/kvm, whatever its kind: run-enclave, supervisor, security
module and VMM with images whose kernel is a few instructions, since some machines interpret them.
"""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from forge import elf
from harness import CASEMATE, Machine, eventually

# 64-bit code; see the instruction set reference for each.
RESET = bytes.fromhex("b0fe" "e664")              # mov al,0xfe; out 0x64,al
HALT = bytes.fromhex("fa" "f4" "ebfd")            # cli; hlt; jmp to the hlt
TRIPLE_FAULT = bytes.fromhex("6a00" "6a00" "0f011c24" "cc")  # lidt of an empty table, then int3


def print_text(text):
    """Writes to the serial port: mov dx,0x3f8, then for each byte mov al,byte; out dx,al."""
    return b"\x66\xba\xf8\x03" + b"".join(b"\xb0" + bytes([byte]) + b"\xee" for byte in text)


class Direct(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise unittest.SkipTest("SKIPPED: /dev/kvm is not there or may not be opened")
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.close)
        directory = tempfile.TemporaryDirectory(prefix="casemate-direct.")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        (cls.directory / "root").mkdir()
        (cls.directory / "root/app").write_bytes(b"never run")

    def image(self, code):
        kernel, eif = self.directory / "kernel", self.directory / "image.eif"
        kernel.write_bytes(elf(code))
        self.machine.json("build-enclave", "--docker-uri", f"dir:{self.directory}/root",
                          "--kernel", kernel, "--output-file", eif, "--", "/app")
        return eif

    def arguments(self, code, *options):
        return ("run-enclave", "--eif-path", self.image(code), "--cpu-count", 1, "--memory", 64,
                "--accel", "kvm", *options)

    def last(self):
        return self.machine.json("ps", "--all", "--output", "json")[-1]

    def failed(self, code, *options):
        done = self.machine.run(*self.arguments(code, *options))
        self.assertEqual(done.returncode, 39, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn("[ E36 ]", done.stderr)
        self.assertIn("Started enclave with enclave-cid:", done.stderr)
        self.assertEqual(list((self.machine.runtime / "enclaves").iterdir()), [])
        return self.last()

    def test_a_guest_that_resets_is_told(self):
        record = self.failed(RESET)
        self.assertEqual(record["EndKind"], "guest-reset")
        self.assertEqual(record["Acceleration"], "kvm")
        self.assertEqual(len(record["Measurements"]["PCR0"]), 96)

    def test_a_triple_fault_is_told_and_the_registers_are_in_the_log(self):
        record = self.failed(TRIPLE_FAULT + HALT, "--debug-mode")
        # A KVM that interprets gives up where a processor shuts down, and tells the registers.
        self.assertRegex(record["Reason"], "triple fault|internal error")
        self.assertNotIn("\n", record["Reason"])
        if "internal error" in record["Reason"]:
            self.assertIn("rip=", self.machine.run("logs", record["EnclaveID"]).stdout)

    def test_a_panic_line_is_told_in_production_mode_and_the_console_stays_inside(self):
        record = self.failed(print_text(b"Kernel panic - not syncing: test\n") + HALT)
        self.assertEqual(record["EndKind"], "guest-panic")
        self.assertIn("not syncing: test", record["Reason"])
        self.assertFalse((self.machine.state / "enclaves" / record["EnclaveID"] /
                          "console.log").exists())

    def test_the_console_is_kept_after_the_end_in_debug_mode(self):
        record = self.failed(print_text(b"first words\n") + RESET, "--debug-mode")
        self.assertIn("first words", self.machine.run("logs", record["EnclaveID"]).stdout)

    def test_guest_memory_is_of_reserved_huge_pages_where_enough_are_free(self):
        pool = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
        free, count = pool / "free_hugepages", pool / "nr_hugepages"
        if not os.access(count, os.W_OK):
            self.skipTest("SKIPPED: the machine's huge pages can't be reserved by this user")
        before = int(count.read_text())
        self.addCleanup(count.write_text, str(before))
        # 64 MiB are 32 pages.
        count.write_text(str(before + 32))
        if int(free.read_text()) < 32:
            self.skipTest("SKIPPED: the kernel has no 32 free huge pages to reserve")
        self.assertIn("guest memory: reserved 2 MiB pages", self.log_of(RESET))
        self.assertEqual(int(free.read_text()), int(count.read_text()))
        count.write_text(str(before))
        if int(free.read_text()) < 32:
            self.assertIn("guest memory: ordinary pages", self.log_of(RESET))

    def log_of(self, code):
        return self.machine.run("logs", self.failed(code)["EnclaveID"]).stdout

    def test_each_killed_process_takes_the_enclave_with_it(self):
        for part in ("casemate-vmm", "casemate-nsm"):
            with self.subTest(part=part):
                self.kill(part)

    def kill(self, part):
        starting = subprocess.Popen([CASEMATE, *map(str, self.arguments(HALT))],
                                    env=self.machine.environment, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        for line in starting.stderr:
            if line.startswith("Started enclave"):
                break
        running = self.machine.json("ps", "--output", "json")
        self.assertEqual(len(running), 1)
        parts = dict(self.children(running[0]["ProcessID"]))
        os.kill(parts[part], signal.SIGKILL)
        _, errors = starting.communicate(timeout=60)
        self.assertEqual(starting.returncode, 39)
        self.assertIn(f"{part} was killed by signal 9", errors)
        eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists()
                                   for pid in parts.values()), f"{parts} gone")

    @staticmethod
    def children(supervisor):
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, rest = entry.read_text().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            if int(rest.split()[1]) == supervisor:
                yield name, int(entry.parent.name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
