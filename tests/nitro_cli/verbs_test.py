"""Each verb's standard output, standard error and exit status, byte for byte but for what differs
from start to start. nitro-cli.md 2; enclaves are stand-ins."""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from harness import HEX96, HELP, ID, NO_POOL, Parent, ParentTest, eventually

IDENTITY = """{{
  "EnclaveName": "{EnclaveName}",
  "EnclaveID": "{EnclaveID}",
  "ProcessID": {ProcessID},
  "EnclaveCID": {EnclaveCID},
  "NumberOfCPUs": 1,
  "CPUIDs": [
    {CPUIDs[0]}
  ],
  "MemoryMiB": 64
}}
"""

DESCRIPTION = """  {{
    "EnclaveName": "{EnclaveName}",
    "EnclaveID": "{EnclaveID}",
    "ProcessID": {ProcessID},
    "EnclaveCID": {EnclaveCID},
    "NumberOfCPUs": 1,
    "CPUIDs": [
      {CPUIDs[0]}
    ],
    "MemoryMiB": 64,
    "State": "RUNNING",
    "Flags": "NONE",
    "Measurements": {{
      "HashAlgorithm": "Sha384 {{ ... }}",
      "PCR0": "{a0}",
      "PCR1": "{a1}",
      "PCR2": "{a2}"
    }}
  }}"""

# What the stand-in for the security module has measured.
STAND_IN = {"a0": "a0" * 48, "a1": "a1" * 48}

TERMINATED = """{{
  "EnclaveName": "{EnclaveName}",
  "EnclaveID": "{EnclaveID}",
  "Terminated": true
}}
"""


def indented(text):
    return "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n")).rstrip("\n")


class Enclaves(ParentTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The first start tells of the authority that it makes.
        cls.parent.start()
        # It is the "image's" own: every test of the whole description has the same one.
        cls.pcr2 = cls.parent.json("describe-enclaves")[0]["Measurements"]["PCR2"]
        cls.parent.json("terminate-enclave", "--all")

    def progress(self, enclave, cid_note=""):
        return (f"{cid_note}{NO_POOL}Start allocating memory...\nStarted enclave with enclave-cid: "
                f"{enclave['EnclaveCID']}, memory: 64 MiB, cpu-ids: [{enclave['CPUIDs'][0]}]\n")

    def described(self, *enclaves):
        return "[\n" + ",\n".join(DESCRIPTION.format(**enclave, **STAND_IN, a2=self.pcr2)
                                  for enclave in enclaves) + "\n]\n"

    def ran(self, done, name):
        """run-enclave's whole output; gives what it describes."""
        self.assertEqual(done.returncode, 0, done.stderr)
        enclave = json.loads(done.stdout)
        self.assertEqual(done.stdout, IDENTITY.format(**enclave))
        self.assertEqual(enclave["EnclaveName"], name)
        self.assertRegex(enclave["EnclaveID"], f"^{ID.pattern}$")
        self.assertGreaterEqual(enclave["EnclaveCID"], 4)
        os.kill(enclave["ProcessID"], 0)
        self.calm(done)
        return enclave

    def test_run_describe_and_terminate_by_id_name_and_all(self):
        """AWS's own list: [] before, one name through all verbs, [] after."""
        before = self.parent.run("describe-enclaves")
        self.assertEqual((before.returncode, before.stdout, before.stderr), (0, "[]\n", ""))
        image = self.parent.image(name="hello.eif")
        cpu = min(os.sched_getaffinity(0))
        config = self.parent.base / "config.json"
        # An unknown key is ignored; the name's default is the file's.
        config.write_text(json.dumps({"eif_path": str(image), "memory_mib": 64, "cpu_ids": [cpu],
                                      "enclave_cid": None, "comment": "ignored"}))
        by_count = self.parent.run("run-enclave", "--eif-path", image, "--cpu-count", 1,
                                   "--memory", "64M", "--enclave-cid", 0)
        by_ids = self.parent.run("run-enclave", f"--cpu-ids={cpu}", "--memory=64",
                                 f"--eif-path={image}", "--enclave-name=second",
                                 "--enclave-cid=4294967294")
        by_config = self.parent.run("run-enclave", "--config", config)
        first = self.ran(by_count, "hello")
        self.assertEqual(by_count.stderr, self.progress(
            first, "The enclave CID will be auto-generated as the provided CID is 0\n"))
        second = self.ran(by_ids, "second")
        self.assertEqual(second["EnclaveCID"], 4294967294)
        self.assertEqual(by_ids.stderr, self.progress(second))
        third = self.ran(by_config, "hello_1")
        self.assertEqual(by_config.stderr, self.progress(third))
        for metadata in ((), ("--metadata",)):
            done = self.parent.run("describe-enclaves", *metadata)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, self.described(first, second, third), ""))
        done = self.parent.run("terminate-enclave", "--enclave-id", first["EnclaveID"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (
            0, TERMINATED.format(**first),
            f"Successfully terminated enclave {first['EnclaveID']}.\n"))
        done = self.parent.run("terminate-enclave", "--enclave-name", "second")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (
            0, TERMINATED.format(**second),
            f"Successfully terminated enclave {second['EnclaveID']}.\n"))
        done = self.parent.run("describe-enclaves")
        self.assertEqual((done.stdout, done.stderr), (self.described(third), ""))
        done = self.parent.run("terminate-enclave", "--all")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (
            0, f"[\n{indented(TERMINATED.format(**third))}\n]\n",
            f"Successfully terminated enclave {third['EnclaveID']}.\n"))
        for verb in (("describe-enclaves",), ("terminate-enclave", "--all")):
            done = self.parent.run(*verb)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "[]\n", ""))
        self.parent.expect_nothing_left()

    def test_debug_mode_describes_what_documents_carry_after_all_that_nitro_cli_prints(self):
        self.parent.start("heartbeat;serve", "--debug-mode")
        described = self.parent.json("describe-enclaves")[0]
        self.assertEqual(list(described)[-2:], ["Measurements", "AttestedMeasurements"])
        self.assertEqual(described["Flags"], "DEBUG_MODE")
        self.assertEqual(described["Measurements"]["PCR0"], "a0" * 48)
        attested = described["AttestedMeasurements"]
        self.assertEqual(list(attested), ["HashAlgorithm", "PCR0", "PCR1", "PCR2", "PCR3", "PCR4"])
        for register in ("PCR0", "PCR1", "PCR2"):
            self.assertEqual(attested[register], "00" * 48)
        self.assertRegex(attested["PCR4"], HEX96)
        self.assertNotEqual(attested["PCR4"], "00" * 48)

    def test_a_failed_start_prints_both_errors_and_their_help(self):
        done = self.parent.run(*self.parent.run_arguments("bad-heartbeat"))
        self.assertEqual((done.returncode, done.stdout), (39, ""))
        self.assertRegex(done.stderr, "^" + re.escape(NO_POOL) + (
            r"Start allocating memory\.\.\.\nStarted enclave with enclave-cid: \d+, memory: 64 MiB, "
            r"cpu-ids: \[\d+\]\n\[ E36 \] [^\n]*0x11\.\n" + re.escape(HELP) + r"E36\n"
            r"Failed connections: 1\n\[ E39 \] [^\n]*\.\n" + re.escape(HELP) + r"E39\n$"))

    def test_the_backtrace_and_the_errors_log(self):
        logs = self.parent.base / "logs"
        logs.mkdir(exist_ok=True)
        done = self.parent.run("terminate-enclave", "--enclave-id", "i-0-enc1",
                               environment={"BACKTRACE": "1", "NITRO_CLI_LOGS_PATH": str(logs)})
        log = next(logs.glob("err*.log"))
        self.assertRegex(done.stderr, "^" + (
            r"\[ E11 \] [^\n]*\.\n" + re.escape(HELP) + r"E11\n\nBacktrace:\n  Action: [^\n]+\n"
            r"  Subactions:\n    [^\n]+\n  Root error file: [^\n]+\n  Root error line: \d+\n"
            r"  Version: [^\n]+\n\nIf you open a support ticket, please provide the error log found "
            r'at "' + re.escape(str(log)) + '"\n$'))
        self.assertIn("Backtrace:", log.read_text())
        self.assertEqual(log.stat().st_mode & 0o022, 0)

    def test_errors_logs_are_kept_up_to_a_hundred(self):
        logs = self.parent.base / "many-logs"
        logs.mkdir()
        for number in range(120):
            (logs / f"err2020-01-01T00:00:00.{number:09}+00:00.log").touch()
        (logs / "nitro_enclaves.log").touch()
        self.parent.run("terminate-enclave", "--enclave-id", "i-0-enc1",
                        environment={"NITRO_CLI_LOGS_PATH": str(logs)})
        kept = sorted(path.name for path in logs.glob("err*.log"))
        self.assertEqual((len(kept), kept[0]), (100, "err2020-01-01T00:00:00.000000021+00:00.log"))
        self.assertTrue((logs / "nitro_enclaves.log").exists())

    def test_an_unwritable_log_directory_stops_no_command(self):
        for place in ("/no/such", "/proc", ""):
            done = self.parent.run("describe-enclaves", environment={"NITRO_CLI_LOGS_PATH": place})
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "[]\n", ""))

    def test_the_log_has_lines_of_commands_and_of_enclaves(self):
        logs = self.parent.base / "shared-logs"
        logs.mkdir()
        done = self.parent.run(*self.parent.run_arguments("heartbeat;hello;serve"),
                               environment={"NITRO_CLI_LOGS_PATH": str(logs)})
        self.assertEqual(done.returncode, 0, done.stderr)
        enclave = json.loads(done.stdout)
        self.parent.json("terminate-enclave", "--enclave-id", enclave["EnclaveID"])
        lines = (logs / "nitro_enclaves.log").read_text().splitlines()
        shape = r"^\[(\S+)\]\[INFO\]\[\S+Z\]\[src/\S+\.cpp:\d+\] \S"
        writers = {re.match(shape, line).group(1) for line in lines}
        slot = enclave["EnclaveID"].rsplit("-enc", 1)[1]
        self.assertIn(f"enc-{slot}:{enclave['ProcessID']}", writers)
        self.assertEqual([each.split(":")[0] for each in sorted(writers)], [f"enc-{slot}", "nitro-cli"])

    def test_sockets_and_locks_are_not_everybodys(self):
        enclave = self.parent.start()
        place = self.parent.runtime / "enclaves" / enclave["EnclaveID"]
        for path in self.parent.runtime.rglob("*"):
            if not path.is_symlink() and path.name != "control":
                self.assertEqual(path.lstat().st_mode & 0o002, 0, path)
        # Everybody may ask what runs; the supervisor looks at who asks for more.
        self.assertEqual((place / "control").stat().st_mode & 0o777, 0o666)

    def test_parallel_starts_all_succeed_with_names_cids_and_ids_of_their_own(self):
        count = 20
        image = self.parent.image(name="app.eif")
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            done = list(pool.map(lambda _: self.parent.run(
                "run-enclave", "--eif-path", image, "--cpu-count", 1, "--memory", 64),
                range(count)))
        started = []
        for one in done:
            self.assertEqual(one.returncode, 0, one.stderr)
            started.append(json.loads(one.stdout))
        names = {"app"} | {f"app_{number}" for number in range(1, count)}
        self.assertEqual({enclave["EnclaveName"] for enclave in started}, names)
        for key in ("EnclaveCID", "EnclaveID", "ProcessID"):
            self.assertEqual(len({enclave[key] for enclave in started}), count)
        self.assertEqual(len(self.parent.json("describe-enclaves")), count)
        self.assertEqual(len(self.parent.json("terminate-enclave", "--all")), count)
        self.parent.expect_nothing_left()

    def test_given_names_get_numbers_too_and_a_freed_one_is_given_again(self):
        names = [self.parent.start("heartbeat;serve", "--enclave-name", "x")["EnclaveName"]
                 for _ in range(3)]
        self.assertEqual(names, ["x", "x_1", "x_2"])
        self.parent.json("terminate-enclave", "--enclave-name", "x_1")
        self.assertEqual(self.parent.start("heartbeat;serve",
                                           "--enclave-name", "x")["EnclaveName"], "x_1")

    def test_console(self):
        enclave = self.parent.start("console Linux version 6;console Unpacking initramfs;heartbeat;serve",
                                    "--debug-mode")
        head = (f"Connecting to the console for enclave {enclave['EnclaveCID']}...\n"
                "Successfully connected to the console.\n")
        # Several readers, each from the first byte on.
        for _ in range(2):
            done = self.parent.run("console", "--enclave-name", enclave["EnclaveName"],
                                   "--disconnect-timeout", 2)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, head + "Linux version 6\nUnpacking initramfs\n", ""))
        with self.parent.popen("console", "--enclave-id", enclave["EnclaveID"]) as reader:
            self.assertEqual(reader.stdout.readline() + reader.stdout.readline(), head)
            self.parent.json("terminate-enclave", "--all")
            rest, errors = reader.communicate(timeout=30)
            self.assertEqual((reader.returncode, errors), (0, ""))

    def test_attach_console_counts_on_the_command_line_beside_a_configuration_too(self):
        image = self.parent.image("console hello;heartbeat;hello;say exited status 0;reset")
        config = self.parent.base / "attach.json"
        config.write_text(json.dumps({"eif_path": str(image), "memory_mib": 64, "cpu_count": 1}))
        done = self.parent.run("run-enclave", "--config", config, "--attach-console")
        self.assertIn("Successfully connected to the console.\nhello\n", done.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_killed_supervisor_fails_no_later_command(self):
        """nitro-cli counts its socket as a failed connection, with E39."""
        enclave = self.parent.start()
        os.kill(enclave["ProcessID"], signal.SIGKILL)
        eventually(lambda: self.parent.json("describe-enclaves") == [], "an empty list")
        done = self.parent.run("describe-enclaves")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "[]\n", ""))
        self.parent.expect_nothing_left()


class Images(ParentTest):
    """The verbs about image files. The kernel and init of this "blobs folder" are never run."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        base = cls.parent.base
        blobs, root = base / "blobs", base / "root"
        blobs.mkdir()
        root.mkdir()
        (root / "app").write_text("never run")
        (blobs / "bzImage").write_bytes(bytes(0x202) + b"HdrS" + bytes(100))
        (blobs / "bzImage.config").write_text(
            "#\n# Automatically generated file; DO NOT EDIT.\n"
            "# Linux/x86_64 4.14.256 Kernel Configuration\n#\n")
        (blobs / "init").write_bytes(b"init")
        (blobs / "cmdline").write_text("reboot=k quiet\n")
        cls.parent.environment["NITRO_CLI_BLOBS"] = str(blobs)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-384", "-nodes", "-keyout", base / "key.pem", "-out",
                        base / "certificate.pem", "-sha384", "-days", "30", "-subj",
                        "/C=US/ST=Washington/O=Example/CN=signer"], check=True, capture_output=True)
        cls.signer = ("--signing-certificate", base / "certificate.pem",
                      "--private-key", base / "key.pem")

    def build(self, name, *options):
        output = self.parent.base / name
        done = self.parent.run("build-enclave", "--docker-uri", f"dir:{self.parent.base}/root",
                               "--output-file", output, *options, "--", "/app")
        self.assertEqual(done.stderr, "Start building the Enclave Image...\n"
                         "Enclave Image successfully created.\n")
        self.assertEqual(done.returncode, 0)
        return output, done.stdout

    def measurements(self, text, signed):
        found = json.loads(text)["Measurements"]
        names = ["PCR0", "PCR1", "PCR2"] + (["PCR8"] if signed else [])
        lines = ",\n".join(f'    "{name}": "{found[name]}"' for name in names)
        self.assertEqual(text, '{\n  "Measurements": {\n    "HashAlgorithm": "Sha384 { ... }",\n'
                         f"{lines}\n  }}\n}}\n")
        for name in names:
            self.assertRegex(found[name], HEX96)
        return found

    def test_build_describe_sign_and_pcr(self):
        metadata = self.parent.base / "metadata.json"
        metadata.write_text('{"Owner": "team", "Number": 7}')
        plain, text = self.build("plain.eif", "--name", "app", "--version", "2.1", "--metadata",
                                 metadata)
        measured = self.measurements(text, False)
        self.assertEqual(self.described(plain), (
            '{\n  "EifVersion": 4,\n' + self.nested(text) + ',\n  "IsSigned": false,\n'
            '  "CheckCRC": true,\n  "ImageName": "app",\n  "ImageVersion": "2.1",\n'
            + self.metadata(plain, ',\n    "Owner": "team",\n    "Number": 7') + "\n}\n"))
        signed, text = self.build("signed.eif", *self.signer)
        self.assertEqual({**measured, "PCR8": ""}, {**self.measurements(text, True), "PCR8": ""})
        self.assertEqual(self.described(signed), self.signed(signed, text))
        # Signed afterwards it is measured the same, and signing again changes nothing.
        for _ in range(2):
            done = self.parent.run("sign-eif", "--eif-path", plain, *self.signer)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, text, "Enclave Image successfully signed.\n"))
        pcr8 = json.loads(text)["Measurements"]["PCR8"]
        done = self.parent.run("pcr", *self.signer[:2])
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, f'{{\n  "PCR8": "{pcr8}"\n}}\n', ""))

    def test_pcr_of_a_file(self):
        import hashlib
        path = self.parent.base / "input"
        path.write_bytes(b"abc")
        value = hashlib.sha384(bytes(48) + hashlib.sha384(b"abc").digest()).hexdigest()
        done = self.parent.run("pcr", "--input", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, f'{{\n  "PCR": "{value}"\n}}\n', ""))

    def described(self, path):
        done = self.parent.run("describe-eif", "--eif-path", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.dumps(json.loads(done.stdout), indent=2) + "\n", done.stdout)
        return done.stdout

    def nested(self, text):
        """The measurements of build-enclave, as they stand in another object."""
        return text.split("\n", 1)[1].rsplit("\n", 2)[0]

    def metadata(self, path, custom=""):
        shown = json.loads(self.described(path))["Metadata"]
        self.assertRegex(shown["BuildTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$")
        return ('  "Metadata": {\n'
                f'    "BuildTime": "{shown["BuildTime"]}",\n    "BuildTool": "{shown["BuildTool"]}",\n'
                f'    "BuildToolVersion": "{shown["BuildToolVersion"]}",\n'
                '    "OperatingSystem": "Linux",\n    "KernelVersion": "4.14.256",\n'
                f'    "DockerInfo": null{custom}\n  }}')

    def signed(self, path, text):
        certificate = json.loads(self.described(path))["SigningCertificate"]
        self.assertRegex(certificate["Signature"], r"^([0-9a-f]{2}:)+[0-9a-f]{2}$")
        dates = [subprocess.run(["openssl", "x509", "-noout", option, "-in", self.signer[1]],
                                capture_output=True, text=True, check=True).stdout
                 .split("=", 1)[1].strip() for option in ("-startdate", "-enddate")]
        return ('{\n  "EifVersion": 4,\n' + self.nested(text) + ',\n  "IsSigned": true,\n'
                '  "SigningCertificate": {\n    "IssuerName": {\n'
                '      "commonName": "signer",\n      "countryName": "US",\n'
                '      "organizationName": "Example",\n'
                '      "stateOrProvinceName": "Washington"\n    },\n'
                '    "Algorithm": "ecdsa-with-SHA384",\n'
                f'    "NotBefore": "{dates[0]}",\n    "NotAfter": "{dates[1]}",\n'
                f'    "Signature": "{certificate["Signature"]}"\n  }},\n'
                '  "CheckCRC": true,\n  "SignatureCheck": true,\n  "ImageName": "root",\n'
                '  "ImageVersion": "1.0",\n' + self.metadata(path) + "\n}\n")

    def test_explain_writes_to_standard_error(self):
        done = self.parent.run("explain", "--error-code", "E22")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("E22", done.stderr)
        done = self.parent.run("explain", "--error-code", "E99")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "", "No such error code E99\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
