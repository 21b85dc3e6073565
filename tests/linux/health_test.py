"""Enclaves that look after themselves: health, restarts, and the time to end."""

import os
import signal
import time
import unittest

from harness import BINARY_DIR, GUEST_EIF, Enclave, LinuxGuestTest, eventually
from lifecycle_test import alive, descendants

# What run-enclave --liveness-timeout is given, and how long a busy builder may take on top of it.
SILENCE, PATIENCE = 10, 90


class Watched(LinuxGuestTest):

    def health(self, enclave):
        """(exit status, sentence) of the health verb."""
        done = self.machine.run("health", "--enclave-id", enclave.id)
        return done.returncode, done.stdout

    def becomes(self, enclave, status):
        return eventually(lambda: (answer := self.health(enclave))[0] == status and answer[1],
                          f"health with status {status}, last {self.health(enclave)}", PATIENCE)

    def machine_process(self, enclave):
        """The process that runs the guest's CPUs."""
        parts = descendants(enclave.description["ProcessID"])
        return next(pid for pid, name in parts.items()
                    if name.startswith(("qemu-system", "casemate-vmm")))

    def nothing_left(self, enclave, parts):
        eventually(lambda: not any(alive(pid) for pid in parts), f"all of {parts} gone", PATIENCE)
        self.assertFalse(enclave.directory().exists())
        self.assertFalse((self.machine.runtime / "cid" / str(enclave.cid)).is_symlink())


class Health(Watched):

    def test_a_busy_guest_is_healthy_and_one_that_stands_still_is_not(self):
        enclave = self.machine.start("--liveness-timeout", SILENCE)
        self.assertEqual(self.becomes(enclave, 0), "healthy\n")
        enclave.command("spin")
        time.sleep(SILENCE + 2)
        self.assertNotIn("unhealthy", self.machine.run("logs", enclave.id).stdout)
        guest = self.machine_process(enclave)
        os.kill(guest, signal.SIGSTOP)
        try:
            self.assertEqual(self.becomes(enclave, 1),
                             f"unhealthy: its init has not been heard of for {SILENCE} s\n")
            described = self.machine.json("describe-enclaves")[0]
            self.assertEqual((described["State"], described["Health"]), ("RUNNING", "unhealthy"))
            self.assertIn("unhealthy", self.machine.run("ps").stdout)
        finally:
            os.kill(guest, signal.SIGCONT)
        self.becomes(enclave, 0)
        self.assertIn("health: healthy", self.machine.run("logs", enclave.id).stdout)
        enclave.terminate()

    def test_a_program_that_stops_listening_is_unhealthy(self):
        enclave = self.machine.start("--health-port", 7777, "--health-interval", 1,
                                     "--health-retries", 2)
        self.assertEqual(self.health(enclave), (3, "starting\n"))
        self.assertEqual(enclave.command("listen 7777"), "ok")
        self.becomes(enclave, 0)
        self.assertEqual(self.machine.json("describe-enclaves")[0]["Health"], "healthy")
        self.assertEqual(enclave.command("unlisten"), "ok")
        self.assertEqual(self.becomes(enclave, 1),
                         "unhealthy: its port 7777 accepted none of 2 connections\n")
        self.assertEqual(enclave.command("listen 7777"), "ok")
        self.becomes(enclave, 0)
        enclave.terminate()


class Restarts(Watched):

    def test_a_program_that_fails_is_started_again_and_its_status_is_run_enclaves(self):
        eif = self.machine.state.parent / "failing.eif"
        self.machine.json("build-enclave", "--docker-uri", f"dir:{BINARY_DIR}/tests/guest-root",
                          "--output-file", eif, "--", "/bin/guest-peer", "exit", "3")
        done = self.machine.run("run-enclave", "--eif-path", eif, "--cpu-count", 1, "--memory", 256,
                                "--restart", "on-failure:2", "--wait", timeout=600)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("its program ended with exit status 3; not started again: on-failure:2 allows "
                      "no more restarts", done.stderr)
        record = self.machine.json("ps", "--all", "--output", "json")[-1]
        self.assertEqual((record["Restarts"], record["ExitStatus"]), (2, 3))
        log = self.machine.run("logs", "--enclave-name", "failing").stdout
        self.assertEqual(log.count("the machine runs"), 3, log)
        self.assertIn("started again in 1 s (restart 1 of 2)", log)
        self.assertIn("started again in 2 s (restart 2 of 2)", log)
        eventually(lambda: not self.machine.processes(), "no process of the enclave", PATIENCE)

    def test_panics_and_killed_processes_are_replaced_under_the_same_id(self):
        enclave = self.machine.start("--restart", "on-failure:5", "--liveness-timeout", SILENCE)
        enclave.command("panic")

        def restarts(count):
            record = enclave.record()
            return record["Restarts"] == count and record["Health"] == "healthy" and record
        record = eventually(lambda: restarts(1), "a healthy guest after the panic", PATIENCE)
        self.assertIn("kernel panic", record["LastEnd"]["Reason"])
        os.kill(self.machine_process(enclave), signal.SIGKILL)
        eventually(lambda: restarts(2), "a healthy guest after kill -9", PATIENCE)
        # A machine that stands still is ended for that, and replaced.
        os.kill(self.machine_process(enclave), signal.SIGSTOP)
        record = eventually(lambda: restarts(3), "a healthy guest after a silent one", PATIENCE)
        self.assertEqual(record["LastEnd"]["EndKind"], "unhealthy")
        self.assertEqual(enclave.command("cpus"), "ok 1")
        self.assertEqual((record["EnclaveID"], record["EnclaveCID"]), (enclave.id, enclave.cid))
        parts = [enclave.description["ProcessID"],
                 *descendants(enclave.description["ProcessID"])]
        enclave.terminate()
        self.nothing_left(enclave, parts)


class Ends(Watched):

    def test_a_program_has_its_time_to_end_and_no_more(self):
        prompt = self.machine.start()
        prompt.command("cpus")
        prompt.terminate()
        self.assertRegex(prompt.ended()["Reason"],
                         r"its program was killed by signal 15 \(Terminated\) after \d+\.\d s$")
        deaf = self.machine.start("--shutdown-timeout", 3600)
        self.assertEqual(deaf.command("deaf"), "ok")
        self.machine.json("terminate-enclave", "--enclave-id", deaf.id, "--timeout", 1)
        self.assertEqual(deaf.ended()["Reason"],
                         "terminated by terminate-enclave; its program was killed by signal 9 "
                         "(Killed), as it did not end within 1.0 s")

    def test_who_waits_and_is_interrupted_ends_the_enclave(self):
        waiting = self.machine.popen("run-enclave", "--eif-path", GUEST_EIF, "--cpu-count", 1,
                                     "--memory", 256, "--wait")
        described = eventually(lambda: self.machine.json("describe-enclaves"), "it runs", PATIENCE)[0]
        enclave = Enclave(self.machine, described)
        enclave.command("cpus")
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=PATIENCE)
        # By the signal, as a shell expects.
        self.assertEqual(waiting.returncode, -signal.SIGINT, errors)
        self.assertIn("Interrupted: the enclave is ended.", errors)
        self.assertEqual(self.machine.json("describe-enclaves"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
