"""docs/nitro-cli-compatibility.md names a test for each promise: each test that it names must exist.

Usage: page.py CTEST BUILD_DIRECTORY SOURCE_DIRECTORY
A name is one of ctest's, or one of ctest's Python classes and a method of it."""

import pathlib
import re
import subprocess
import sys

PREFIXES = ("nitro_cli.", "enclave.", "cli.", "linux.", "eif.", "eif_build.", "image.", "nsm.", "kms.", "base.")


def known_tests(ctest, build):
    listed = subprocess.run([ctest, "--test-dir", build, "-N"], capture_output=True, text=True,
                            errors="replace", check=True).stdout
    return set(re.findall(r"Test +#\d+: (\S+)", listed))


def has_method(name, tests, source):
    """Whether the name is PREFIX.MODULE.CLASS.METHOD of a Python class that ctest runs."""
    case, _, method = name.rpartition(".")
    if case not in tests or not method.startswith("test_"):
        return False
    folder, module, _ = case.split(".")
    text = (source / "tests" / folder / f"{module}.py").read_text()
    return f"    def {method}(self" in text


def main():
    ctest, build, source = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    page = (source / "docs/nitro-cli-compatibility.md").read_text()
    named = [name for name in re.findall(r"`([^`\s]+)`", page) if name.startswith(PREFIXES)]
    tests = known_tests(ctest, build)
    missing = [name for name in named if name not in tests and not has_method(name, tests, source)]
    if missing and any(name.endswith("_NOT_BUILT") for name in tests):
        print("SKIPPED: not every test program is built, so these can't be looked for:",
              *missing, sep="\n")
        sys.exit(77)
    if missing or not named:
        sys.exit("expected every named test to exist, found none of these:\n" + "\n".join(missing))
    print(f"{len(named)} named tests exist")


main()
