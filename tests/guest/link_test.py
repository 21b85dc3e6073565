"""libnsm as it is installed: C and C++ programs compile and link with what pkg-config says, shared and
static, by a C compiler alone; and the libraries show nothing but their functions."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from installed import Installed, run  # noqa: E402

HERE = pathlib.Path(__file__).parent
FUNCTIONS = {"nsm_lib_init", "nsm_lib_exit", "nsm_extend_pcr", "nsm_describe_pcr", "nsm_lock_pcr",
             "nsm_lock_pcrs", "nsm_get_description", "nsm_get_attestation_doc", "nsm_get_random"}
C, CPP = HERE / "nsm_program.c", HERE / "nsm_program.cpp"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


class Link(Installed):

    library = "libnsm.a"

    def flags(self, *which):
        return run("pkg-config", *which, "libnsm", env=self.environment).split()

    def compiled(self, compiler, *arguments):
        program = self.directory / "program"
        run(compiler, *STRICT, *arguments, "-o", program)
        return program

    def ask(self, program):
        """The program runs, and finds its own way of telling that there is no module here."""
        if pathlib.Path("/dev/nsm").exists():
            self.skipTest("SKIPPED: this machine has /dev/nsm")
        done = subprocess.run([program], capture_output=True, text=True, env=self.environment,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr, "/dev/nsm: No such file or directory\n")

    def test_c_programs_link_shared(self):
        for standard in ("c99", "c11", "gnu17"):
            program = self.compiled("cc", f"-std={standard}", C, *self.flags("--cflags", "--libs"))
            self.assertIn("libnsm.so.0", run("readelf", "-d", program))
            self.ask(program)

    def test_c_programs_link_static_and_need_no_cpp_library(self):
        program = self.compiled("cc", "-std=c99", C, *self.flags("--cflags"), self.library)
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program)),
                         ["libc.so.6"])
        self.ask(program)
        self.ask(self.compiled("cc", "-std=c99", "-static", C, *self.flags("--cflags", "--libs")))

    def test_cpp_programs_link(self):
        for compiler in filter(shutil.which, ("g++", "clang++")):
            with self.subTest(compiler=compiler):
                self.ask(self.compiled(compiler, "-std=c++20", "-fno-exceptions", CPP,
                                       *self.flags("--cflags", "--libs")))

    def test_programs_may_include_the_c_header_as_awss_do(self):
        source = self.directory / "wrapped.cpp"
        source.write_text('extern "C" {\n#include <nsm.h>\n}\n'
                          "int main() { ErrorCode code = ERROR_CODE_SUCCESS; exit(code); }\n")
        self.compiled("g++", source, *self.flags("--cflags", "--libs"))

    def test_nothing_else_is_exported(self):
        shared, = self.libraries.glob("libnsm.so.0.*")
        names = run("nm", "-D", "--defined-only", "--format=just-symbols", shared).split()
        self.assertEqual(set(names), FUNCTIONS)
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", shared))
        self.assertEqual(needed, ["libc.so.6"])
        self.assertEqual(os.readlink(self.libraries / "libnsm.so"), "libnsm.so.0")

    def test_the_python_module_is_installed(self):
        module, = self.prefix.rglob("casemate_nsm.py")
        self.assertEqual(module.read_bytes(),
                         (HERE.parent.parent / "src/guest/python/casemate_nsm.py").read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
