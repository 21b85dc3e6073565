"""Manual pages: each program has one, mandoc finds nothing to say against them, and they tell of the
options that the programs have, all of them and no others."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

PAGES = harness.BINARY_DIR / "share/man"
# Told by every command.
EVERYWHERE = {"--help", "--version"}


def help_of(program, *words):
    return subprocess.run([harness.BINARY_DIR / "bin" / program, *words, "--help"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=harness.SECONDS).stdout


def listed(text, title):
    part = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.MULTILINE)
    return part.group(1) if part else ""


def all_options(program, *words):
    """The long options of a command and of all of its commands."""
    text = help_of(program, *words)
    found = set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z0-9_-]+)", listed(text, "Options"), re.MULTILINE))
    for name in re.findall(r"^  ([a-z-]+) ", listed(text, "Commands"), re.MULTILINE):
        if name != "help":
            found |= all_options(program, *words, name)
    return found


def told(page):
    text = (PAGES / page).read_text().replace("\\-", "-")
    return {"-" + name.rstrip("-") for name in re.findall(r"Fl (-[a-z0-9_-]+)", text)}


class Installed(unittest.TestCase):
    """cmake --install of the component "host" gives all that enclaves need, wherever it is."""

    def test_programs_find_each_other_init_and_the_kernel(self):
        with tempfile.TemporaryDirectory(prefix="casemate-installed.") as directory:
            base = pathlib.Path(directory)
            kernel = base / "kernel"
            kernel.mkdir()
            # What build-enclave takes for a kernel: "HdrS" where bzImage has it.
            (kernel / "vmlinux").write_bytes(bytes(0x202) + b"HdrS" + bytes(4096))
            subprocess.run(["cmake", "--install", harness.BINARY_DIR, "--component", "host", "--prefix",
                            base / "first"], check=True, capture_output=True, timeout=harness.SECONDS,
                           env={**os.environ, "CASEMATE_KERNEL_DIR": str(kernel)})
            (base / "first").rename(base / "second")
            prefix = base / "second"
            (base / "root/bin").mkdir(parents=True)
            environment = {"PATH": "/usr/bin:/bin", "CASEMATE_STATE_DIR": str(base / "state"),
                           "CASEMATE_RUNTIME_DIR": str(base / "run"), "HOME": str(base / "nobody")}
            built = subprocess.run([prefix / "bin/nitro-cli", "build-enclave", "--docker-uri", f"dir:{base}/root",
                                    "--output-file", base / "image.eif", "--", "/app"], env=environment,
                                   text=True, capture_output=True, timeout=harness.SECONDS)
            self.assertEqual(built.returncode, 0, built.stderr)
            doctor = subprocess.run([prefix / "bin/casemate", "doctor"], env=environment, text=True,
                                    capture_output=True, timeout=harness.SECONDS)
            self.assertIn(f"Programs: all in {prefix}/bin\n", doctor.stdout)
            for name in ("share/man/man1/nitro-cli.1", "share/bash-completion/completions/nitro-cli",
                         "share/zsh/site-functions/_casemate"):
                self.assertTrue((prefix / name).exists(), name)


class Manual(unittest.TestCase):
    def setUp(self):
        if shutil.which("mandoc") is None or not PAGES.exists():
            print("SKIPPED: expected mandoc and build/share/man (target manual), found not both")
            self.skipTest("expected mandoc and build/share/man, found not both")

    def test_mandoc_has_nothing_to_say(self):
        pages = sorted(PAGES.glob("man*/*"))
        self.assertGreater(len(pages), 9)
        for page in pages:
            with self.subTest(page=page.name):
                if page.read_text().startswith(".so "):
                    self.assertTrue((PAGES / page.read_text().split()[1]).exists())
                    continue
                # References are looked up among what is installed.
                result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], cwd=PAGES,
                                        text=True, capture_output=True)
                self.assertEqual((result.returncode, result.stdout), (0, ""))
                shown = subprocess.run(["mandoc", "-T", "utf8", page], cwd=PAGES, text=True,
                                       capture_output=True).stdout
                # Bold letters are struck twice.
                shown = re.sub(".\x08", "", shown)
                self.assertIn("\nNAME\n", shown)
                self.assertNotRegex(shown, "@(commands|options|own)")

    def test_each_program_has_a_page(self):
        names = {page.name.rsplit(".", 1)[0] for page in PAGES.glob("man*/*")}
        for program in os.listdir(harness.BINARY_DIR / "bin"):
            with self.subTest(program=program):
                self.assertIn(program, names)
        self.assertIn("casemate-init", names)

    def test_options_are_the_programs(self):
        for program, least in (("casemate", 30), ("casemate-kms", 30), ("eif_build", 15)):
            with self.subTest(program=program):
                options = all_options(program)
                self.assertGreater(len(options), least)
                self.assertEqual(told(f"man1/{program}.1") - EVERYWHERE, options - EVERYWHERE)

    def test_options_of_the_tools_for_enclaves(self):
        text = help_of("nsm-cli")
        self.assertEqual(told("man1/nsm-cli.1"), set(re.findall(r"--[a-z0-9-]+", text)) - EVERYWHERE)
        options = set()
        for name in re.findall(r"^    ([a-z]+): ", help_of("kmstool_enclave_cli"), re.MULTILINE):
            options |= set(re.findall(r"^ +(--[a-z-]+)", help_of("kmstool_enclave_cli", name), re.MULTILINE))
        self.assertGreater(len(options), 15)
        self.assertEqual(told("man1/kmstool_enclave_cli.1") - EVERYWHERE, options - EVERYWHERE)
