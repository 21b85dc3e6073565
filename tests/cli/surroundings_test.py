"""What a command does without what it usually finds around it: environment, directories, open streams."""

import os
import re
import signal
import subprocess

import harness

# Each verb that needs no enclave, and what it ends with where there is nothing to work on.
VERBS = {
    ("describe-eif", "--eif-path", "none.eif"): 35,
    ("pcr", "--input", "none"): 19,
    ("pcr", "--signing-certificate", "none"): 19,
    ("sign-eif", "--eif-path", "none.eif"): 60,
    ("sign-eif",): 1,
    ("explain", "--error-code", "E26"): 0,
    ("explain", "--error-code", "E99"): 0,
    ("run-enclave", "--config", "none.json"): 19,
    ("run-enclave", "--cpu-count", "2", "--memory", "x", "--eif-path", "none.eif"): 3,
    ("verify", "--document", "none", "--root", "none"): 19,
    ("completion", "bash"): 0,
    ("completion", "zsh"): 0,
    ("--version",): 0,
    ("--help",): 0,
}


class Nothing(harness.CommandLine):
    def test_no_environment_and_no_writable_directory(self):
        """No HOME, no PATH, no log directory, no runtime directory: no verb needs what it does not use,
        and none is E19 for the lack of a log, as nitro-cli is."""
        self.directory.chmod(0o500)
        for arguments, status in VERBS.items():
            for name in harness.NAMES:
                with self.subTest(name=name, arguments=arguments):
                    result = self.run_program(*arguments, name=name, env={})
                    self.assertEqual(result.returncode, status, result.stderr)
                    self.assertNotIn("support ticket", result.stderr)
        self.assertEqual(os.listdir(self.directory), [])

    def test_closed_streams(self):
        """A stream that is closed is not replaced by a file that the command opens."""
        (self.directory / "file").write_text("text")
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            result = self.shell(f'"$0" pcr --input file {closed}')
            self.assertEqual(result.returncode, 0, closed)
            self.assertIn('"PCR"', result.stdout)
        self.assertEqual(self.shell('"$0" pcr --input file >&-').returncode, 19)
        self.assertEqual((self.directory / "file").read_text(), "text")

    def test_a_full_disk_is_an_error(self):
        (self.directory / "file").write_text("text")
        for line in ("pcr --input file", "completion bash", "--help", "describe-eif --help", "--version"):
            result = self.shell(f'"$0" {line} >/dev/full')
            self.assertEqual(result.returncode, 19, line)
            self.assertTrue(result.stderr.startswith("[ E19 ] File operation failure."), result.stderr)

    def test_a_reader_that_has_gone_ends_it_quietly(self):
        reader, writer = os.pipe()
        os.close(reader)
        result = self.run_program("completion", "bash", stdout=writer)
        os.close(writer)
        self.assertEqual((result.returncode, result.stderr), (-signal.SIGPIPE, ""))

    def shell(self, line):
        return subprocess.run(["/bin/sh", "-c", line, harness.BINARY_DIR / "bin/nitro-cli"],
                              cwd=self.directory, env=harness.ENVIRONMENT, text=True,
                              capture_output=True, timeout=harness.SECONDS)


class Log(harness.CommandLine):
    """NITRO_CLI_LOGS_PATH/nitro_enclaves.log, as nitro-cli writes it."""

    def logged(self, **more):
        environment = {**harness.ENVIRONMENT, "NITRO_CLI_LOGS_PATH": str(self.directory), **more}
        return self.run_program("pcr", "--input", "no\nfile", env=environment)

    def test_a_line_for_the_start_and_one_for_the_error(self):
        result = self.logged()
        self.assertEqual(result.returncode, 19)
        log = (self.directory / "nitro_enclaves.log").read_text().splitlines()
        head = r"\A\[nitro-cli:\d+\]\[%s\]\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]\[src/cli/\w+\.cpp:\d+\] "
        self.assertEqual(len(log), 2)
        self.assertRegex(log[0], head % "INFO" + r"Start Nitro CLI\Z")
        self.assertRegex(log[1], head % "ERROR" + r"\[ E19 \] File operation failure\. .*no\?file")
        named = re.search(r'error log found at "(.*)"\n\Z', result.stderr).group(1)
        self.assertRegex(named, re.escape(str(self.directory)) + r"/err[0-9T:.+-]+\.log\Z")

    def test_the_level_is_rust_logs(self):
        self.logged(RUST_LOG="error")
        log = (self.directory / "nitro_enclaves.log").read_text().splitlines()
        self.assertEqual(len(log), 1)
        self.assertIn("][ERROR][", log[0])

    def test_usage_errors_write_none(self):
        environment = {**harness.ENVIRONMENT, "NITRO_CLI_LOGS_PATH": str(self.directory)}
        self.run_program("pcr", env=environment)
        self.assertEqual(os.listdir(self.directory), [])


class Explain(harness.CommandLine):
    def test_each_code(self):
        """On standard error, exit status 0, for every code; the command line's words do not matter."""
        texts = set()
        for code in range(61):
            result = self.run_program("explain", "--error-code", f"E{code:02}")
            self.assertEqual((result.returncode, result.stdout), (0, ""))
            self.assertIn(f"E{code:02}", result.stderr)
            self.assertGreater(len(result.stderr), 100)
            texts.add(result.stderr.split("]", 1)[-1])
        self.assertEqual(len(texts), 61)

    def test_a_code_that_is_none(self):
        result = self.run_program("explain", "--error-code", "E61")
        self.assertEqual((result.returncode, result.stderr), (0, "No such error code E61\n"))
