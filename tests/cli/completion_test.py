"""Completion by real shells: bash's and zsh's answer to a line that ends where the user presses TAB."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import harness

# What stands for the program in a shell: enclaves' names and ids come from it.
FAKE = """#!/bin/sh
case "$*" in
"describe-enclaves")
    printf '[\\n  {\\n    "EnclaveName": "hello",\\n    "EnclaveID": "i-1-enc1",\\n    "State": "RUNNING"\\n  },\\n'
    printf '  {\\n    "EnclaveName": "other one",\\n    "EnclaveID": "i-1-enc2",\\n  }\\n]\\n' ;;
"ps --all --output json") printf '[\\n  {\\n    "EnclaveID": "i-1-enc0",\\n  }\\n]\\n' ;;
*) exit 9 ;;
esac
"""


class Shell(harness.CommandLine):
    def setUp(self):
        super().setUp()
        programs = self.directory / "programs"
        programs.mkdir()
        for name in harness.NAMES:
            (programs / name).write_text(FAKE)
            (programs / name).chmod(0o755)
        self.environment = {**harness.ENVIRONMENT, "PATH": f"{programs}:{harness.ENVIRONMENT['PATH']}",
                            "HOME": str(self.directory), "TERM": "dumb"}
        (self.directory / "files").mkdir()
        for name in ("a.eif", "b c.eif", "d.txt"):
            (self.directory / "files" / name).touch()
        (self.directory / "files/folder").mkdir()

    def script(self, shell):
        path = self.directory / f"completion.{shell}"
        path.write_text(self.run_program("completion", shell).stdout)
        return path


class Bash(Shell):
    """The function is called as bash calls it, with the words that bash makes of the line."""

    def complete(self, line, name="nitro-cli"):
        words = re.findall(r"[^ =]+|=", line)
        if not line or line.endswith(" "):
            words.append("")
        script = (f". {self.script('bash')}\n"
                  'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
                  f"function=$(complete -p {name} | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
                  '"$function"\n'
                  'for each in "${COMPREPLY[@]}"; do printf "%s\\n" "$each"; done\n')
        result = subprocess.run(["bash", "--norc", "-c", script, "bash", name, *words],
                                cwd=self.directory / "files", env=self.environment, text=True,
                                capture_output=True, timeout=harness.SECONDS)
        self.assertEqual(result.stderr, "")
        return result.stdout.splitlines()

    def test_verbs(self):
        for name in harness.NAMES:
            self.assertEqual(self.complete("describe-", name), ["describe-eif", "describe-enclaves"])
            self.assertEqual(self.complete("run-", name), ["run-enclave"])
        self.assertIn("help", self.complete(""))
        self.assertEqual(self.complete("authority ro"), ["rotate"])

    def test_options(self):
        self.assertEqual(self.complete("run-enclave --enclave-"), ["--enclave-cid", "--enclave-name"])
        self.assertEqual(self.complete("run-enclave --enclave-cid 4 --enclave-"), ["--enclave-name"])
        self.assertEqual(self.complete("vsock listen --"), ["--help"])
        self.assertIn("--pcr", self.complete("verify --pcr 1=2 --pc"))

    def test_every_verb_has_all_of_its_options(self):
        listed = self.run_program("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
        for verb in re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE)[:-1]:
            shown = set(re.findall(r"(?<=\s)--[a-z-]+", self.run_program(verb, "--help").stdout
                                   .split("Options:\n")[1].split("\n\n")[0]))
            told = {word for word in re.findall(r"^ +(?:-h, )?(--[a-z-]+)",
                                                self.run_program(verb, "--help").stdout, re.MULTILINE)}
            self.assertLessEqual(told, shown)
            with self.subTest(verb=verb):
                self.assertLessEqual(told, set(self.complete(f"{verb} --")))

    def test_values(self):
        self.assertEqual(self.complete("run-enclave --accel "), ["auto", "kvm", "software"])
        self.assertEqual(self.complete("run-enclave --accel=so"), ["software"])
        self.assertEqual(self.complete("completion "), ["bash", "zsh"])
        self.assertEqual(self.complete("explain --error-code E6"), ["E60"])
        self.assertEqual(self.complete("run-enclave --memory "), [])

    def test_files_and_folders(self):
        self.assertEqual(sorted(self.complete("describe-eif --eif-path ")),
                         ["a.eif", "b c.eif", "d.txt", "folder"])
        self.assertEqual(self.complete("describe-eif --eif-path=a"), ["a.eif"])
        self.assertEqual(self.complete("build-enclave --docker-dir "), ["folder"])
        self.assertIn("a.eif", self.complete("build-enclave --docker-uri u -- "))

    def test_enclaves(self):
        self.assertEqual(self.complete("console --enclave-name "), ["hello", "other\\ one"])
        self.assertEqual(self.complete("terminate-enclave --enclave-id i"), ["i-1-enc1", "i-1-enc2"])
        self.assertEqual(self.complete("logs "), ["i-1-enc0"])


class Zsh(Shell):
    """An interactive zsh on a terminal, after compinit, with a line and TAB typed."""

    def setUp(self):
        super().setUp()
        if shutil.which("zsh") is None:
            print("SKIPPED: expected zsh, found none")
            self.skipTest("expected zsh, found none")
        script = self.script("zsh")
        self.assertEqual(subprocess.run(["zsh", "-n", script]).returncode, 0)

    def complete(self, line):
        """What zsh shows, and at last the line between equals signs."""
        (self.directory / ".zshrc").write_text(
            "autoload -Uz compinit && compinit -u -D\n"
            f". {self.directory}/completion.zsh\n"
            "zstyle ':completion:*' list-prompt ''\nzstyle ':completion:*' menu no\n"
            "LISTMAX=1000\nunsetopt auto_menu list_ambiguous\nsetopt list_packed no_beep\nPS1='READY>'\n"
            "typeset -g COLUMNS=300 LINES=200\n"
            "show() { print -r -- \"=${LBUFFER}=\"; }\nzle -N show\nbindkey '^Xp' show\n")
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.directory / "files")
            os.execvpe("zsh", ["zsh", "-i"], {**self.environment, "ZDOTDIR": str(self.directory)})
        try:
            self.until(terminal, rb"READY>")
            # TAB, and then the key that prints the line as it is now.
            os.write(terminal, line.encode() + b"\t\x18p")
            return self.until(terminal, rb"=nitro-cli[^\r\n]*=")
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)

    def until(self, terminal, mark):
        text, deadline = b"", time.monotonic() + harness.SECONDS
        while not re.search(mark, text):
            self.assertLess(time.monotonic(), deadline, text)
            if select.select([terminal], [], [], 1)[0]:
                text += os.read(terminal, 65536)
        return text.decode()

    def test_verbs_and_descriptions(self):
        text = self.complete("nitro-cli describe-")
        self.assertIn("describe-eif", text)
        self.assertIn("Lists the enclaves that run", text)
        self.assertIn("=nitro-cli explain =", self.complete("nitro-cli expl"))
        self.assertIn("=nitro-cli authority rotate =", self.complete("nitro-cli authority ro"))

    def test_options_values_and_files(self):
        self.assertIn("=nitro-cli run-enclave --boot-timeout=", self.complete("nitro-cli run-enclave --boo"))
        self.assertIn("=nitro-cli run-enclave --accel software =",
                      self.complete("nitro-cli run-enclave --accel sof"))
        self.assertIn("=nitro-cli describe-eif --eif-path a.eif =",
                      self.complete("nitro-cli describe-eif --eif-path a"))
        self.assertIn("=nitro-cli build-enclave --docker-dir folder/",
                      self.complete("nitro-cli build-enclave --docker-dir "))

    def test_enclaves(self):
        self.assertIn("=nitro-cli console --enclave-name hello =",
                      self.complete("nitro-cli console --enclave-name he"))
        self.assertIn("=nitro-cli console --enclave-name other\\ one =",
                      self.complete("nitro-cli console --enclave-name ot"))
        self.assertIn("=nitro-cli logs i-1-enc0 =", self.complete("nitro-cli logs "))
