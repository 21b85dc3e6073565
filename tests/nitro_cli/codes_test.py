"""Every row of nitro-cli's table of errors: how it is provoked here, or why it can't occur."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import unittest

from harness import BINARY_DIR, Parent, ParentTest, eventually

# Codes that no command can end with here, and why.
NEVER = {
    "E00": "every failure has a code of its own; with nitro-cli this one exits with 0",
    "E08": "a connection to a supervisor is made or refused (E11), and used at once",
    "E09": "closing a socket can't fail in a way that matters to anybody",
    "E10": "connections have one time limit for the whole answer (E39), not one of the socket",
    "E12": "waiting needs one descriptor more than E04 has already refused",
    "E13": "no file is watched: console and reports come over sockets",
    "E15": "the lock of the registry is waited for",
    "E16": "a thread that can't be joined ends the process",
    "E18": "the log's permissions are set when it is made, and a log that can't be made is no error",
    "E23": "there is no CPU pool to read (issue 6)",
    "E24": "there is no CPU pool to read (issue 6)",
    "E25": "huge pages have one size here; without them ordinary pages are used",
    "E34": "sizes are checked before they are used: E03, E26, E27",
    "E37": "waiting for events fails for a wrong argument alone",
    "E40": "a socket that is gone is an enclave that is gone: E11",
    "E41": "a client that does not take its answer is dropped, and the supervisor goes on",
    "E42": "memory is mapped by the VMM: E31",
    "E43": "memory goes with its process",
    "E45": "a console that ends, ends: exit status 0, as nitro-cli's",
    "E47": "a number of the command line that is none is E03, of a file E17",
    "E51": "nothing is kept on the way of a build, so there is no folder to name",
    "E53": "no clock is compared with another",
    "E54": "masking signals fails for a wrong argument alone",
    "E55": "masking signals fails for a wrong argument alone",
    "E56": "a log that can't be written is no error",
}

CERTIFICATE = """-----BEGIN CERTIFICATE-----
bm8gY2VydGlmaWNhdGU=
-----END CERTIFICATE-----
"""

RUN = ("--eif-path", "x.eif", "--cpu-count", 1, "--memory", 64)


class Codes(ParentTest):
    provoked = set()

    def expect(self, label, done, *sentences, **options):
        type(self).provoked.add(label)
        self.failed(done, label, *sentences, **options)

    def refused(self, label, script, *sentences, arguments=(), status=39, **options):
        """run-enclave fails in the enclave's own process: its error, then E39, as nitro-cli's."""
        done = self.parent.run(*self.parent.run_arguments(script, *arguments), **options)
        self.expect(label, done, *sentences, "Failed connections: 1\n[ E39 ] ", status=status)
        self.parent.expect_nothing_left()
        return done

    def config(self, contents):
        path = self.parent.base / "config.json"
        path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
        return self.parent.run("run-enclave", "--config", path)

    def test_01_02_03_17_arguments_and_the_configuration_file(self):
        good = {"eif_path": "x.eif", "memory_mib": 64}
        self.expect("E01", self.config(good), "cpu_count")
        self.expect("E01", self.parent.run("sign-eif", "--signing-certificate", "c",
                                           "--private-key", "k"), "eif-path")
        self.expect("E02", self.config({**good, "cpu_count": 1, "cpu_ids": [0]}), "cpu_ids")
        for bad in ({"cpu_count": "1"}, {"cpu_count": -1}, {"cpu_ids": [1.5]}):
            self.expect("E17", self.config({**good, **bad}), next(iter(bad)))
        self.expect("E17", self.config("{nonsense"))
        self.expect("E17", self.config({"cpu_count": 1, "memory_mib": 64}), "eif_path")
        self.expect("E17", self.config({"cpu_count": 1, "eif_path": "x.eif"}), "memory_mib")
        # nitro-cli checks the CID's range on the command line alone.
        for cid in (1, 2, 3, 0xffffffff, 1 << 32):
            self.expect("E03", self.config({**good, "cpu_count": 1, "enclave_cid": cid}), str(cid))
            self.expect("E03", self.parent.run("run-enclave", *RUN, "--enclave-cid", cid), str(cid))
        for option, value in (("--memory", "VVV"), ("--memory", "64X"), ("--cpu-count", "one"),
                              ("--enclave-cid", "x")):
            words = [word for word in RUN]
            if option in words:
                words[words.index(option) + 1] = value
            else:
                words += [option, value]
            self.expect("E03", self.parent.run("run-enclave", *words), option[2:])

    def test_04_05_06_the_enclaves_process_can_not_be_made(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
        self.expect("E04", self.parent.run("run-enclave", *RUN, preexec_fn=limit), "ulimit -n")
        supervisor = self.parent.programs / "casemate-enclave"
        aside = supervisor.rename(supervisor.with_name("aside"))
        try:
            self.expect("E05", self.parent.run("run-enclave", *RUN), str(supervisor),
                        "No such file")
            # One that can't go into the background ends at once, with 1.
            supervisor.symlink_to("/bin/false")
            self.expect("E06", self.parent.run("run-enclave", *RUN), "exit status 1", "ulimit -u")
        finally:
            supervisor.unlink(missing_ok=True)
            aside.rename(supervisor)

    def test_07_the_directory_of_the_enclaves_can_not_be_listed(self):
        broken = self.parent.base / "broken"
        broken.mkdir(exist_ok=True)
        (broken / "enclaves").write_text("not a directory")
        environment = {"CASEMATE_RUNTIME_DIR": str(broken)}
        for verb in (("describe-enclaves",), ("terminate-enclave", "--all"),
                     ("terminate-enclave", "--enclave-name", "x"),
                     ("console", "--enclave-name", "x")):
            self.expect("E07", self.parent.run(*verb, environment=environment), str(broken))

    def test_11_no_such_enclave(self):
        for verb in (("terminate-enclave",), ("console",)):
            for name in ("i-0-enc1", "../../etc", ""):
                self.expect("E11", self.parent.run(*verb, "--enclave-id", name))

    def test_14_an_unknown_command_to_the_enclaves_process(self):
        enclave = self.parent.start()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.parent.runtime / "enclaves" / enclave["EnclaveID"] / "control"))
            client.sendall(b'{"request": "destroy"}\n')
            answer = json.loads(client.makefile().readline())
        self.assertEqual(answer["error"], 14)
        self.provoked.add("E14")

    def test_19_files(self):
        self.expect("E19", self.parent.run("run-enclave", "--config", "/no/such.json"),
                    "File: '/no/such.json', failing operation: 'Open'")
        self.expect("E19", self.parent.run("pcr", "--input", "/no/such"), "'/no/such'")
        done = self.parent.run("run-enclave", "--eif-path", "/no/such.eif", "--cpu-count", 1,
                               "--memory", 64)
        self.expect("E19", done, "File: '/no/such.eif', failing operation: 'Open'", status=39)
        # Behind a link ".." is not what the text says.
        done = self.parent.run("run-enclave", "--eif-path", "/proc/self/../such.eif", "--cpu-count", 1,
                               "--memory", 64)
        self.expect("E19", done, "File: '/proc/self/../such.eif'", status=39)
        done = self.parent.run("run-enclave", "--eif-path", self.parent.base, "--cpu-count", 1,
                               "--memory", 64)
        self.expect("E19", done, "to be a file, found something else. File: '", status=39)
        # As nitro-cli without /dev/nitro_enclaves, and what to do about it.
        self.refused("E19", "serve", "File: '/no/kvm', failing operation: 'Open'", "kvm_intel",
                     environment={"CASEMATE_KVM_DEVICE": "/no/kvm"})

    def test_20_21_22_29_cpus(self):
        image = self.parent.image("serve")
        there = len(os.sched_getaffinity(0))
        for label, cpus, sentence in (("E20", ("--cpu-ids", 0, 0), "CPU 0 again"),
                                      ("E21", ("--cpu-ids", 100000), "CPU 100000"),
                                      ("E22", ("--cpu-count", there + 1), str(there + 1)),
                                      ("E29", ("--cpu-count", 0), "at least 1 CPU")):
            done = self.parent.run("run-enclave", "--eif-path", image, *cpus, "--memory", 64)
            self.expect(label, done, sentence, "[ E39 ]", status=39)

    def test_26_27_memory(self):
        image = self.parent.base / "large.eif"
        with image.open("wb") as file:
            file.truncate(20 << 20)
        for label, memory, sentence in (("E26", 0, "should be greater than 0 MB"),
                                        ("E26", 79, "the minimum memory should be 80 MB"),
                                        ("E27", "1T", "1048576 MB")):
            done = self.parent.run("run-enclave", "--eif-path", image, "--cpu-count", 1,
                                   "--memory", memory)
            sentence = sentence.replace("should be greater", "greater")
            self.expect(label, done, sentence, "[ E39 ]", status=39)
        self.refused("E26", "refuse-memory")
        # AWS's own test wants a failure, and no more.
        for memory in ("-10", "VVV", ""):
            done = self.parent.run("run-enclave", "--eif-path", image, "--cpu-count", 1,
                                   "--memory", memory)
            self.assertIn(done.returncode, (2, 3), done.stderr)
            self.assertEqual(done.stdout, "")
            self.calm(done)

    def test_28_30_31_32_33_the_step_that_failed(self):
        # nitro-cli has E29 for all of them.
        for label, reason in (("E28", 5), ("E31", 6), ("E30", 7), ("E32", 8), ("E33", 9)):
            with self.subTest(label):
                self.refused(label, f"not-made {reason}", "a step failed: Cannot allocate memory")

    def test_29_an_occupied_cid(self):
        self.parent.start("heartbeat;serve", "--enclave-cid", 77)
        done = self.parent.run(*self.parent.run_arguments("serve", "--enclave-cid", 77))
        self.expect("E29", done, "CID 77", status=39)

    def test_35_59_images(self):
        garbage = self.parent.image("no image")
        self.expect("E35", self.parent.run("describe-eif", "--eif-path", garbage))
        # As nitro-cli: not E19.
        self.expect("E35", self.parent.run("describe-eif", "--eif-path", "/no/such.eif"))
        self.refused("E35", "refuse-image")
        self.refused("E59", "refuse-signature", "good signature")

    def test_36_the_guest_does_not_come_up(self):
        self.refused("E36", "bad-heartbeat", "0x11")
        self.refused("E36", "hang", "heartbeat", arguments=("--boot-timeout", 1))
        self.refused("E36", "panic;hang", "kernel panic")
        self.refused("E36", "reset")

    def test_38_an_enclave_of_another_user(self):
        # The whole of it is in ownership_test.
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("SKIPPED: needs root and setpriv, to be another user")
        enclave = self.parent.start()
        done = self.parent.run("terminate-enclave", "--enclave-id", enclave["EnclaveID"],
                               before=("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"))
        self.expect("E38", done, "Warning: Failed to stop enclave", "Error message: ")

    def test_39_a_process_that_does_not_answer(self):
        enclave = self.parent.start()
        os.kill(enclave["ProcessID"], signal.SIGSTOP)
        try:
            done = self.parent.run("describe-enclaves")
        finally:
            os.kill(enclave["ProcessID"], signal.SIGCONT)
        self.expect("E39", done, "Failed connections: 1\n[ E39 ]", out="[]\n")

    def test_44_46_consoles(self):
        enclave = self.parent.start("heartbeat;serve")
        done = self.parent.run("console", "--enclave-id", enclave["EnclaveID"])
        self.expect("E44", done, "debug mode",
                    out=f"Connecting to the console for enclave {enclave['EnclaveCID']}...\n")
        debugged = self.parent.start("console x;heartbeat;serve", "--debug-mode")
        with open("/dev/full", "w") as full:
            done = self.parent.run("console", "--enclave-id", debugged["EnclaveID"],
                                   capture_output=False, stdout=full, stderr=subprocess.PIPE)
        done.stdout = ""
        self.assertRegex(done.stderr, r"\[ E(19|46) \]")
        self.assertIn(done.returncode, (19, 46))
        self.expect("E46", done)

    def test_48_49_50_52_builds(self):
        root, blobs = self.parent.base / "root", self.parent.base / "blobs"
        root.mkdir()
        (root / "app").write_text("never run")
        blobs.mkdir()
        output = self.parent.base / "out.eif"

        def build(uri, *options, **environment):
            done = self.parent.run("build-enclave", "--docker-uri", uri, "--output-file", output,
                                   *options, environment=environment)
            self.assertFalse(output.exists())
            return done
        self.expect("E48", build(f"dir:{root}", NITRO_CLI_BLOBS=str(blobs)), "bzImage")
        self.expect("E52", build(f"dir:{root}", NITRO_CLI_BLOBS="/no/blobs"), "/no/blobs")
        (blobs / "bzImage").write_bytes(bytes(0x202) + b"HdrS" + bytes(100))
        (blobs / "bzImage.config").write_text("# Linux/x86_64 6.1.2 Kernel Configuration\n")
        (blobs / "init").write_bytes(b"init")
        (blobs / "cmdline").write_text("quiet")
        self.expect("E50", build("dir:/no/root", NITRO_CLI_BLOBS=str(blobs)), "/no/root")
        # No daemon, and no builder on the path.
        done = build("app:v1", "--docker-dir", str(root), NITRO_CLI_BLOBS=str(blobs),
                     DOCKER_HOST=f"unix://{self.parent.base}/none.sock",
                     PATH=str(self.parent.base / "none"), XDG_RUNTIME_DIR=str(self.parent.base))
        self.expect("E49", done)

    def test_57_58_60_certificates_names_signatures(self):
        certificate = self.parent.base / "certificate.pem"
        certificate.write_text(CERTIFICATE)
        self.expect("E57", self.parent.run("pcr", "--signing-certificate", certificate))
        self.expect("E58", self.parent.run("terminate-enclave", "--enclave-name", "nobody"),
                    "No enclave matched the given name")
        self.expect("E58", self.parent.run("console", "--enclave-name", "nobody"))
        image = self.parent.image("no image")
        self.expect("E60", self.parent.run("sign-eif", "--eif-path", image))

    def test_the_table_is_complete(self):
        """Each code that explain knows is provoked above, or is listed with the reason why not."""
        explained = []
        for number in range(100):
            code = f"E{number:02}"
            done = self.parent.run("explain", "--error-code", code)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.calm(done)
            if done.stderr == f"No such error code {code}\n":
                continue
            self.assertIn(code, done.stderr)
            explained.append(code)
        self.assertEqual(explained, [f"E{number:02}" for number in range(61)])
        text = pathlib.Path(__file__).read_text()
        for code in explained:
            provoked = f'"{code}"' in text.replace(f'    "{code}": "', "")
            self.assertEqual(provoked, code not in NEVER, code)


class RealVmm(ParentTest):
    """The real VMM and security module, with a KVM device that is none."""
    fakes = False

    def test_28_a_device_that_is_not_kvms(self):
        eif = BINARY_DIR / "tests/guest.eif"
        if not eif.exists():
            self.skipTest(f"SKIPPED: {eif} is missing (built by the test linux.guest_image)")
        done = self.parent.run("run-enclave", "--eif-path", eif, "--cpu-count", 1, "--memory", 256)
        self.failed(done, "E28", "the virtual machine could not be created",
                    "Inappropriate ioctl for device", "the device is not KVM's", "[ E39 ]", status=39)
        self.parent.expect_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
