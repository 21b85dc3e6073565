"""run-enclave interrupted at any moment, and who may do what with whose enclave. nitro-cli.md 5;
enclaves are stand-ins."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from harness import Parent, ParentTest, eventually

USERS = (54321, 54322)


class Interruption(ParentTest):
    """Either the enclave is up and described, or nothing is left of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parent.start()
        before = time.monotonic()
        cls.parent.start()
        # What a start takes here and now; the moments lie in it and after it.
        cls.start_seconds = time.monotonic() - before
        cls.parent.json("terminate-enclave", "--all")

    def interrupt(self, script, number, seconds=0.0, line=None):
        """Starts, waits (for a line of progress), sends the signal; gives status and errors."""
        command = self.parent.run_arguments(script)
        errors = ""
        with self.parent.popen(*command) as starting:
            if line:
                for errors in starting.stderr:
                    if errors.startswith(line):
                        break
            time.sleep(seconds)
            starting.send_signal(number)
            out, rest = starting.communicate(timeout=60)
        return starting.returncode, out, rest

    def settled(self):
        """Whether it is up: described as running, with its process alive."""
        def ended():
            described = self.parent.json("describe-enclaves")
            if described and described[0]["State"] == "RUNNING":
                return "up"
            return "gone" if not described and self.parent.left() == (set(), set()) else None
        return eventually(ended, f"an enclave that is up or gone, found {self.parent.left()}")

    def test_at_many_moments(self):
        outcomes, steps = set(), 24
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for step in range(steps):
                with self.subTest(signal=number, step=step):
                    status, out, errors = self.interrupt("heartbeat;hello;serve", number,
                                                         1.5 * self.start_seconds * step / steps)
                    outcome = self.settled()
                    outcomes.add(outcome)
                    self.assertIn(status, (0, -number), errors)
                    if status == 0:
                        self.assertEqual((outcome, json.loads(out)["EnclaveName"][:5]),
                                         ("up", "image"))
                    if "Interrupted:" in errors:
                        self.assertEqual((status, out, outcome), (-number, "", "gone"))
                    self.parent.run("terminate-enclave", "--all")
                    self.parent.expect_nothing_left()
        self.assertIn("gone", outcomes)

    def test_while_the_guest_boots_the_start_is_called_off_and_nothing_is_left_when_it_says_so(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for line in ("Start allocating", "Started enclave"):
                with self.subTest(signal=number, line=line):
                    status, out, errors = self.interrupt("hang", number, line=line)
                    self.assertEqual(self.parent.json("describe-enclaves"), [])
                    self.assertEqual(list((self.parent.runtime / "cid").iterdir()), [])
                    self.assertEqual((status, out), (-number, ""))
                    self.assertTrue(errors.endswith("Interrupted: the enclave was not started, and "
                                                    "nothing of it is left.\n"), errors)
                    self.parent.expect_nothing_left()

    def test_killed_while_the_guest_boots(self):
        for line in ("Start allocating", "Started enclave"):
            with self.subTest(line):
                status, _, _ = self.interrupt("hang", signal.SIGKILL, line=line)
                self.assertEqual(status, -signal.SIGKILL)
                self.assertEqual(self.settled(), "gone")

    def test_a_signal_that_is_ignored_stops_nothing(self):
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
        command = self.parent.run_arguments("console x;heartbeat;serve")
        with self.parent.popen(*command, preexec_fn=ignore) as starting:
            starting.stderr.readline()
            starting.send_signal(signal.SIGHUP)
            out, errors = starting.communicate(timeout=60)
        self.assertEqual(starting.returncode, 0, errors)
        self.assertEqual(len(self.parent.json("describe-enclaves")), 1)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"),
                     "SKIPPED: needs root and setpriv, to be several users")
class Ownership(ParentTest):
    """Only root and the user who started an enclave may end it; everybody may look."""

    def as_user(self, user):
        return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")

    def parent_of(self, user):
        """A parent whose directories and enclaves are that user's."""
        parent = Parent()
        self.addCleanup(parent.close)
        os.chown(parent.base, user, user)
        parent.before = self.as_user(user)
        return parent

    def refused(self, parent, enclave, before):
        for selector in (("--enclave-id", enclave["EnclaveID"]),
                         ("--enclave-name", enclave["EnclaveName"])):
            done = parent.run("terminate-enclave", *selector, before=before)
            self.failed(done, "E38", f"Warning: Failed to stop enclave {enclave['EnclaveID']}\n",
                        "Error message: only the user who started the enclave, and root")
        done = parent.run("terminate-enclave", "--all", before=before)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (
            0, "[]\n", f"Enclave {enclave['EnclaveID']} belongs to another user and was left "
            "alone.\n"))

    def test_an_ordinary_user_describes_roots_enclave_and_does_not_end_it(self):
        enclave = self.parent.start("console secret;heartbeat;serve", "--debug-mode")
        before = self.as_user(USERS[0])
        described = self.parent.json("describe-enclaves")
        self.assertEqual(self.parent.json("describe-enclaves", before=before), described)
        self.refused(self.parent, enclave, before)
        done = self.parent.run("console", "--enclave-id", enclave["EnclaveID"], before=before)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("secret", done.stdout)
        self.assertEqual(self.parent.json("describe-enclaves"), described)

    def test_an_ordinary_users_enclave_is_not_another_ones_but_roots_too(self):
        parent = self.parent_of(USERS[0])
        enclave = json.loads(parent.run(*parent.run_arguments(), before=parent.before).stdout)
        other = self.as_user(USERS[1])
        self.assertEqual(len(parent.json("describe-enclaves", before=other)), 1)
        self.refused(parent, enclave, other)
        self.assertTrue(parent.json("terminate-enclave", "--enclave-id", enclave["EnclaveID"])
                        ["Terminated"])
        parent.expect_nothing_left()
        # Whatever root did there, its user goes on.
        again = parent.run(*parent.run_arguments(), before=parent.before)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(len(parent.json("terminate-enclave", "--all", before=parent.before)), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
