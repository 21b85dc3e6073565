"""What AWS's own integration tests expect of nitro-cli (nitro-cli.md 7), with real enclaves; the link
is called. Everything that needs no real guest is in tests/nitro_cli."""

import json

import signal
import subprocess
import time
import unittest

import cbor2

from attestation_test import NONCE, attest
from harness import BINARY_DIR, GUEST_EIF, Enclave, LinuxGuestTest, eventually
from lifecycle_test import alive

NITRO_CLI = BINARY_DIR / "bin/nitro-cli"


class Conformance(LinuxGuestTest):

    def nitro(self, *arguments):
        done = subprocess.run([NITRO_CLI, *map(str, arguments)], env=self.machine.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
                              check=False)
        for word in ("panic", "terminate called", "Sanitizer"):
            self.assertNotIn(word, done.stderr)
        return done

    def good(self, *arguments):
        done = self.nitro(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_run_describe_console_and_terminate(self):
        self.assertEqual(self.good("describe-enclaves"), [])
        config = self.machine.runtime.parent / "config.json"
        config.write_text(json.dumps({"eif_path": str(GUEST_EIF), "memory_mib": 256, "cpu_count": 1,
                                      "enclave_name": "conform", "debug_mode": True}))
        started = self.good("run-enclave", "--config", config)
        self.assertEqual(started["EnclaveName"], "conform")
        enclave = Enclave(self.machine, started)
        self.check_description(started)
        self.check_console(started)
        self.check_attestation(enclave)
        ended = self.nitro("terminate-enclave", "--enclave-name", "conform")
        self.assertEqual(ended.stderr, f"Successfully terminated enclave {started['EnclaveID']}.\n")
        self.assertEqual(json.loads(ended.stdout), {
            "EnclaveName": "conform", "EnclaveID": started["EnclaveID"], "Terminated": True})
        self.assertEqual(self.good("describe-enclaves"), [])

    def check_description(self, started):
        """The image's measurements and metadata, as describe-eif has them."""
        image = self.good("describe-eif", "--eif-path", GUEST_EIF)
        described = self.good("describe-enclaves", "--metadata")
        self.assertEqual(len(described), 1)
        described = described[0]
        self.assertEqual({key: described[key] for key in started}, started)
        self.assertEqual(list(described), [*started, "State", "Flags", "Measurements", "ImageName",
                                           "ImageVersion", "Metadata", "AttestedMeasurements"])
        for key in ("Measurements", "ImageName", "ImageVersion", "Metadata"):
            self.assertEqual(described[key], image[key])
        self.assertEqual((described["State"], described["Flags"]), ("RUNNING", "DEBUG_MODE"))

    def check_console(self, started):
        """Opened after the start, it has the boot's first lines; it ends when it should."""
        for seconds in (2, 4):
            before = time.monotonic()
            done = self.nitro("console", "--enclave-id", started["EnclaveID"],
                              "--disconnect-timeout", seconds)
            self.assertGreaterEqual(time.monotonic() - before, seconds)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith(
                f"Connecting to the console for enclave {started['EnclaveCID']}...\n"
                "Successfully connected to the console.\n"))
            self.assertIn("Linux version", done.stdout)
            self.assertRegex(done.stdout, "(?i)unpacking initramfs")

    def check_attestation(self, enclave):
        """AttestedMeasurements are what a document of this debug-mode enclave really carries."""
        described = self.good("describe-enclaves")[0]
        document = cbor2.loads(attest(enclave, nonce=NONCE))
        registers = cbor2.loads((document.value if hasattr(document, "value") else document)[2])["pcrs"]
        attested = dict(described["AttestedMeasurements"])
        self.assertEqual(attested.pop("HashAlgorithm"), "Sha384 { ... }")
        self.assertEqual(set(attested), {"PCR0", "PCR1", "PCR2", "PCR3", "PCR4"})
        for name, value in attested.items():
            self.assertEqual(registers[int(name[3:])].hex(), value, name)
        for name in ("PCR0", "PCR1", "PCR2"):
            self.assertEqual(attested[name], "00" * 48)
            self.assertNotEqual(described["Measurements"][name], attested[name])
        self.assertNotEqual(attested["PCR4"], "00" * 48)

    def test_interrupted_at_several_moments(self):
        """Either the enclave is up and described, or nothing is left."""
        self.good("describe-enclaves")
        for number, seconds in ((signal.SIGINT, 0.2), (signal.SIGTERM, 1.2), (signal.SIGKILL, 0.7),
                                (signal.SIGKILL, 2.2)):
            with self.subTest(signal=number, seconds=seconds), subprocess.Popen(
                    [NITRO_CLI, "run-enclave", "--eif-path", GUEST_EIF, "--cpu-count", "1",
                     "--memory", "256"], env=self.machine.environment, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as starting:
                time.sleep(seconds)
                starting.send_signal(number)
                out, errors = starting.communicate(timeout=180)
                self.assertIn(starting.returncode, (0, -number), errors)
                if "Interrupted:" in errors:
                    self.assertEqual(self.good("describe-enclaves"), [])

                def settled():
                    described = self.good("describe-enclaves")
                    if described:
                        return described[0]["State"] == "RUNNING"
                    return not any(map(alive, self.machine.processes()))
                eventually(settled, "an enclave that runs, or none", 60)
                self.good("terminate-enclave", "--all")
                eventually(lambda: not any(map(alive, self.machine.processes())),
                           f"no process left, found {self.machine.processes()}")
                self.assertEqual(list((self.machine.runtime / "cid").iterdir()), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
