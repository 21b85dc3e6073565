"""An enclave's life, as its parent sees it: boot, exit status, death of each part, no leftovers."""

import concurrent.futures
import os
import pathlib
import signal
import unittest

import cbor2

from harness import COMMAND, ECHO, LinuxGuestTest, eventually

# "everything else of that enclave goes away within 5 s", plus what a busy builder adds.
GONE_SECONDS = 5 + 5


def descendants(pid):
    """Every process below pid, by command name."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = entry.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        children.setdefault(int(rest.split()[1]), []).append((int(entry.parent.name), name))
    found, pending = {}, [pid]
    while pending:
        for child, name in children.get(pending.pop(), []):
            found[child] = name
            pending.append(child)
    return found


def alive(pid):
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def nsm(enclave, request):
    """The security module's answer to a request of the guest's, decoded."""
    status, answer = enclave.command(f"nsm {request}").split(" ", 1)
    assert status == "ok", answer
    return cbor2.loads(bytes.fromhex(answer))


class Boot(LinuxGuestTest):

    def test_one_and_two_cpus_boot_and_the_guest_counts_them(self):
        for cpus in (1, 2):
            with self.subTest(cpus=cpus):
                enclave = self.machine.start(cpus=cpus)
                self.assertEqual(enclave.command("cpus"), f"ok {cpus}")
                enclave.terminate()

    def test_the_security_module_answers_with_the_measured_pcrs(self):
        enclave = self.machine.start()
        described = self.machine.json("describe-enclaves")[0]
        for index in (0, 1, 2):
            self.assertEqual(nsm(enclave, f"pcr {index}"), {"DescribePCR": {
                "lock": True, "data": bytes.fromhex(described["Measurements"][f"PCR{index}"])}})
        description = nsm(enclave, "describe")["DescribeNSM"]
        # The id of the enclave has no leading zeros, as nitro-cli prints it.
        instance, slot = enclave.id.split("-enc")
        self.assertEqual(description["module_id"], f"{instance}-enc{slot:>016}")
        self.assertEqual(description["locked_pcrs"], list(range(16)))
        self.assertEqual((description["max_pcrs"], description["digest"]), (32, "SHA384"))
        first = nsm(enclave, "random")["GetRandom"]["random"]
        self.assertEqual(len(first), 256)
        self.assertNotEqual(first, nsm(enclave, "random")["GetRandom"]["random"])
        enclave.terminate()

    def test_debug_mode_shows_the_console_from_the_first_line_and_zeroes_the_pcrs(self):
        enclave = self.machine.start("--debug-mode")
        console = self.machine.run("console", "--enclave-id", enclave.id,
                                   "--disconnect-timeout", "1")
        self.assertEqual(console.returncode, 0, console.stderr)
        self.assertIn("Linux version", console.stdout)
        self.assertEqual(nsm(enclave, "pcr 0")["DescribePCR"]["data"], bytes(48))
        self.assertIn("Linux version", self.machine.run("logs", enclave.id).stdout)
        enclave.terminate()

    def test_the_console_stays_closed_without_debug_mode(self):
        enclave = self.machine.start()
        console = self.machine.run("console", "--enclave-id", enclave.id)
        self.assertEqual(console.returncode, 44)
        self.assertIn("E44", console.stderr)
        enclave.terminate()


class End(LinuxGuestTest):

    def test_the_programs_exit_status_arrives(self):
        enclave = self.machine.start()
        enclave.command("exit 42")
        self.assertIn("exit status 42", enclave.ended()["Reason"])

    def test_the_programs_signal_arrives(self):
        enclave = self.machine.start()
        enclave.command("abort")
        self.assertIn("signal 6", enclave.ended()["Reason"])

    def test_a_kernel_panic_is_told(self):
        enclave = self.machine.start()
        enclave.command("panic")
        self.assertIn("kernel panic", enclave.ended(60)["Reason"])

    def test_a_terminated_enclave_is_told_so(self):
        enclave = self.machine.start()
        answer = enclave.terminate()
        self.assertEqual(answer["EnclaveID"], enclave.id)
        self.assertTrue(answer["Terminated"])
        self.assertIn("terminated", enclave.ended()["Reason"])
        self.assertEqual(self.machine.json("describe-enclaves"), [])


class Death(LinuxGuestTest):
    """kill -9 of each process of an enclave in turn."""

    def parts(self, enclave):
        supervisor = enclave.description["ProcessID"]
        return {supervisor: "casemate-enclave", **descendants(supervisor)}

    def kill(self, wanted):
        enclave = self.machine.start()
        parts = self.parts(enclave)
        victims = [pid for pid, name in parts.items() if name.startswith(wanted)]
        if not victims and wanted in ("casemate-vmm", "qemu-system"):
            enclave.terminate()
            self.skipTest(f"SKIPPED: this acceleration runs no {wanted} on the host")
        self.assertTrue(victims, f"{wanted} in {parts}")
        os.kill(victims[0], signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in parts),
                   f"all of {parts} gone after kill -9 of {wanted}", GONE_SECONDS)
        self.assertEqual(self.machine.json("describe-enclaves"), [])
        self.assertFalse(enclave.directory().exists())
        self.assertFalse((self.machine.runtime / "cid" / str(enclave.cid)).is_symlink())
        return enclave.ended()["Reason"]

    def test_of_the_supervisor(self):
        self.assertIn("supervisor", self.kill("casemate-enclave"))

    def test_of_the_security_module(self):
        self.assertIn("casemate-nsm", self.kill("casemate-nsm"))

    def test_of_the_vmm(self):
        self.assertIn("casemate-vmm", self.kill("casemate-vmm"))

    def test_of_the_emulator(self):
        self.assertIn("QEMU", self.kill("qemu-system"))


class Many(LinuxGuestTest):

    def test_two_enclaves_at_once_are_two(self):
        # Started at the same moment, under the same name, with any CID.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: self.machine.start(), range(2))
        self.assertEqual({first.cid, second.cid}, {16, 17})
        self.assertNotEqual(first.id, second.id)
        self.assertEqual({enclave.description["EnclaveName"] for enclave in (first, second)},
                         {"guest", "guest_1"})
        for enclave in (first, second):
            with enclave.dial_when_up(ECHO) as stream:
                stream.sendall(enclave.id.encode())
                stream.shutdown(1)
                self.assertEqual(stream.makefile("rb").read(), enclave.id.encode())
        answers = self.machine.json("terminate-enclave", "--all")
        self.assertEqual({answer["EnclaveID"] for answer in answers}, {first.id, second.id})

    def test_twenty_runs_leave_nothing_behind(self):
        def leftovers():
            runtime = sorted(str(path) for path in self.machine.runtime.rglob("*"))
            return self.machine.processes(), runtime, shared_memory()

        def shared_memory():
            return sorted(name for name in os.listdir("/dev/shm") if "casemate" in name)

        self.machine.start().terminate()
        # The supervisor's last process goes a moment after its answer.
        eventually(lambda: not self.machine.processes(), "no process of the first enclave")
        before = leftovers()
        for _ in range(20):
            enclave = self.machine.start()
            enclave.dial_when_up(COMMAND).close()
            enclave.terminate()
        eventually(lambda: leftovers() == before, f"{before} again, found {leftovers()}", 15)


if __name__ == "__main__":
    unittest.main(verbosity=2)
