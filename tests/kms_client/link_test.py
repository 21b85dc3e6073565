"""libcasemate-kms as it is installed: C and C++ programs compile and link with what pkg-config says."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from installed import Installed, run  # noqa: E402

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
C_PROGRAM = r"""
#include <casemate/kms.h>
#include <stdio.h>

int main(void) {
    casemate_kms_options options = {0};
    casemate_kms_error *error = NULL;
    options.size = sizeof(options);
    options.access_key_id = "AKIA";
    options.secret_access_key = "secret";
    options.ca_file = "/nowhere/ca.pem";
    if (casemate_kms_client_new(&options, &error) != NULL) {
        return 1;
    }
    printf("%s\n", casemate_kms_error_type(error));
    casemate_kms_error_free(error);
    return 0;
}
"""
CPP_PROGRAM = r"""
#include <casemate/kms.hpp>
#include <cstdio>

int main() {
    const auto kms = casemate::KmsClient::create({.ca_file = "/nowhere/ca.pem",
                                                  .access_key_id = "AKIA",
                                                  .secret_access_key = "secret"});
    if (kms) {
        const std::vector<std::uint8_t> ciphertext(3);
        const auto answer = kms->decrypt(ciphertext, {.key_id = "key",
                                                      .encryption_context = {{"purpose", "database"}}});
        return answer ? 1 : 2;
    }
    std::puts(kms.error().type.c_str());
}
"""


class Link(Installed):

    library = "libcasemate-kms.so.0"

    def compiled(self, compiler, standard, text):
        source = self.directory / ("program.c" if standard.startswith("c1") else "program.cpp")
        source.write_text(text)
        flags = run("pkg-config", "--cflags", "--libs", "casemate-kms", env=self.environment).split()
        program = self.directory / "program"
        run(compiler, f"-std={standard}", *STRICT, source, *flags, "-o", program)
        self.assertEqual(run(program, env=self.environment), "bad_argument\n")
        return program

    def test_c_programs(self):
        program = self.compiled("cc", "c11", C_PROGRAM)
        self.assertIn("libcasemate-kms.so.0", run("readelf", "-d", program))

    def test_cpp_programs(self):
        for compiler in filter(shutil.which, ("g++", "clang++")):
            with self.subTest(compiler=compiler):
                self.compiled(compiler, "c++20", CPP_PROGRAM)

    def test_all_is_installed(self):
        self.assertEqual(os.readlink(self.library.parent / "libcasemate-kms.so"),
                         "libcasemate-kms.so.0")
        module, = self.prefix.rglob("casemate_kms.py")
        self.assertTrue(module.read_text().startswith('"""KMS inside an enclave'))
        program, = self.prefix.rglob("kmstool_enclave_cli")
        done = subprocess.run([program], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("genrandom", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
