"""The programs that write and judge images: eif_build, validate-eif, and what an interruption leaves."""

import hashlib
import json
import pathlib
import random
import signal
import subprocess
import time
import unittest

import images
from images import (APPLICATION_RAMDISK, ARM_IMAGE, BOOT_RAMDISK, CASEMATE, CMDLINE, EIF_BUILD, TREE, ImageTest,
                    Signer, bz_image, eif, plain, vmlinux)
from forge import cpio, file

CORPUS = TREE / "fuzz/corpus/eif"


class EifBuild(ImageTest):

    def setUp(self):
        super().setUp()
        for name, data in {"bzImage": bz_image(), "vmlinux": vmlinux(), "Image": ARM_IMAGE, "text": b"text\n" * 999,
                           "boot": BOOT_RAMDISK, "application": APPLICATION_RAMDISK, "empty": b"",
                           "config": b"#\n# Automatically generated\n# Linux/x86_64 4.14.256-209.amzn2 Kernel "
                                     b"Configuration\n", "no-config": b"a\nb\nc\n",
                           "custom.json": b'{"a": [1, 2.5]}', "large.json": b'"' + b"x" * 4096 + b'"',
                           "no.json": b"{"}.items():
            (self.folder / name).write_bytes(data)

    def build(self, *options, kernel="bzImage", ramdisks=("boot", "application"), cmdline="a b", **changed):
        named = [str(self.folder / one) if (self.folder / str(one)).exists() else one for one in options]
        parts = [part for one in ramdisks for part in ("--ramdisk", self.folder / one)]
        return self.run_program(EIF_BUILD, "--kernel", self.folder / kernel, "--cmdline", cmdline, *parts, "--output",
                                self.image, *named, **changed)

    def built(self, *options, **changed):
        done = self.build(*options, **changed)
        self.assertEqual((done.returncode, self.left()), (0, ["image.eif"]), done.stderr)
        return eif.read(self.image.read_bytes())

    def test_metadata(self):
        """AWS's stores --name as the version, and forgets --build-time where there is a --kernel_config."""
        about = self.built(SOURCE_DATE_EPOCH="0").metadata()
        self.assertEqual(about, {
            "ImageName": "bzImage", "ImageVersion": "1.0", "BuildMetadata": {
                "BuildTime": "1970-01-01T00:00:00+00:00", "BuildTool": "eif_build",
                "BuildToolVersion": about["BuildMetadata"]["BuildToolVersion"], "OperatingSystem": "OS",
                "KernelVersion": "kernel"}, "DockerInfo": None, "CustomMetadata": None})
        about = self.built("--name", "n", "--version", "7", "--metadata", "custom.json", "--kernel_config",
                           "config", "--build-time", "then").metadata()
        self.assertEqual((about["ImageName"], about["ImageVersion"], about["CustomMetadata"]),
                         ("n", "7", {"a": [1, 2.5]}))
        self.assertEqual([about["BuildMetadata"][key] for key in (
            "BuildTime", "BuildTool", "OperatingSystem", "KernelVersion")],
            ["then", "eif_build", "Linux", "4.14.256"])
        about = self.built("--kernel_config", "config", "--img-os", "BSD", "--build-tool", "t",
                           "--build-tool-version", "v").metadata()["BuildMetadata"]
        self.assertEqual([about[key] for key in ("BuildTool", "BuildToolVersion", "OperatingSystem", "KernelVersion")],
                         ["t", "v", "BSD", "4.14.256"])

    def test_the_same_parts_and_time_give_the_same_file(self):
        self.built("--build-time", "2024-01-01T00:00:00+00:00")
        first = self.image.read_bytes()
        self.built("--build-time", "2024-01-01T00:00:00+00:00")
        self.assertEqual(self.image.read_bytes(), first)

    def test_each_digest(self):
        signer = Signer()
        for algorithm in ("sha256", "sha384", "sha512"):
            done = self.build("--algo", algorithm, *signer.options(self.folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            measured = json.loads(done.stdout.partition("\n")[2])
            kernel = bz_image() + b"a b"

            def register(content):
                empty = bytes(hashlib.new(algorithm).digest_size)
                return hashlib.new(algorithm, empty + hashlib.new(algorithm, content).digest()).hexdigest()

            self.assertEqual(measured, {
                "HashAlgorithm": algorithm.capitalize() + " { ... }",
                "PCR0": register(kernel + BOOT_RAMDISK + APPLICATION_RAMDISK),
                "PCR1": register(kernel + BOOT_RAMDISK), "PCR2": register(APPLICATION_RAMDISK),
                "PCR8": register(signer.certificate.public_bytes(images.serialization.Encoding.DER))})
            # What is signed is what enclaves are measured with.
            self.assertTrue(eif.read(self.image.read_bytes()).signature_good())

    def test_architectures(self):
        self.assertEqual(self.built("--arch", "aarch64", kernel="Image").arch, eif.AARCH64)
        self.assertEqual(self.built("--arch", "x86_64", kernel="vmlinux").arch, eif.X86_64)

    def test_as_many_sections_as_there_are(self):
        self.assertEqual(len(self.built(ramdisks=["boot"] * 29).sections), 32)

    def test_what_is_refused(self):
        signing = Signer().options(self.folder)
        (self.folder / "other.pem").write_bytes(Signer().pem)
        other = ["--signing-certificate", self.folder / "other.pem", *signing[2:]]
        for status, sentence, options, parts in (
                (1, "expected a kernel for x86_64 (bzImage or ELF vmlinux), found something else", [],
                 {"kernel": "text"}),
                (1, "expected a kernel for x86_64", [], {"kernel": "empty"}),
                (1, "expected a kernel for x86_64 (--arch), found Image for aarch64", [], {"kernel": "Image"}),
                (1, "expected a kernel for aarch64 (--arch), found bzImage", ["--arch", "aarch64"], {}),
                (1, "No such file", [], {"kernel": "absent"}),
                (1, "No such file", [], {"ramdisks": ["absent"]}),
                (2, "--ramdisk", [], {"ramdisks": []}),
                (1, "expected at most 29 ramdisks, found 30", [], {"ramdisks": ["boot"] * 30}),
                (1, "expected at most 28 ramdisks, found 29", signing, {"ramdisks": ["boot"] * 29}),
                (1, "larger than 4096 bytes", ["--metadata", "large.json"], {}),
                (1, "expected JSON", ["--metadata", "no.json"], {}),
                (1, "No such file", ["--metadata", "absent"], {}),
                (1, "Kernel Configuration", ["--kernel_config", "no-config"], {}),
                (1, "another key", other, {}),
                (1, "No such file", ["--signing-certificate", "absent", *signing[2:]], {}),
                (2, "--private-key", signing[:2], {}), (2, "--signing-certificate", signing[2:], {}),
                (2, "--arch", ["--arch", "riscv"], {}), (2, "--algo", ["--algo", "md5"], {}),
                (2, "--name", ["--name"], {}), (2, "stray", ["stray"], {}),
                (2, "--unknown", ["--unknown"], {}), (2, "--cmdline", ["--cmdline", "again"], {})):
            with self.subTest(sentence=sentence, options=options):
                self.image.write_bytes(b"before")
                done = self.build(*options, **parts)
                self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
                self.assertIn(sentence, done.stderr)
                self.assertTrue(done.stderr.startswith("error: "), done.stderr)
                self.assertEqual((self.left(), self.image.read_bytes()), (["image.eif"], b"before"))

    def test_missing_options_and_help(self):
        for name in ("--kernel", "--cmdline", "--output", "--ramdisk"):
            given = [part for one in ("--kernel", "--cmdline", "--output", "--ramdisk") if one != name
                     for part in (one, "x")]
            done = self.run_program(EIF_BUILD, *given)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(name, done.stderr)
        done = self.run_program(EIF_BUILD, "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("--kernel_config", "--img-kernel", "--build-tool-version", "sha512"):
            self.assertIn(name, done.stdout)

    def test_a_place_that_cannot_be_written_to(self):
        self.image = self.folder / "absent" / "image.eif"
        done = self.build()
        self.assertEqual(done.returncode, 1)
        self.assertIn("absent", done.stderr)
        self.image = pathlib.Path("/proc/image.eif")
        self.assertEqual(self.build().returncode, 1)
        # Root could put a file in a device's place.
        self.image = self.folder / "null"
        self.image.symlink_to("/dev/null")
        done = self.build()
        self.assertEqual(done.returncode, 1)
        self.assertIn("or nothing; found a device", done.stderr)
        self.assertTrue(self.image.is_symlink() and pathlib.Path("/dev/null").is_char_device())

    def test_ramdisks_that_linux_will_not_unpack_are_pointed_out(self):
        done = self.build(ramdisks=["boot", "text"])
        self.assertEqual(done.returncode, 0)
        self.assertIn("neither a cpio archive nor compressed", done.stderr)


class Validated(ImageTest):

    def judged(self, image, status, *options):
        """validate-eif's findings by name."""
        self.write(image)
        done = self.casemate("validate-eif", "--eif-path", self.image, "--output", "json", *options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(list(found)[:2], ["EifPath", "WouldStart"])
        self.assertEqual(found["WouldStart"], status == 0)
        code = f"E{status:02}"
        self.assertEqual(found.get("ErrorCode"), code if status else None)
        self.assertEqual(f"[ {code} ] " in done.stderr, bool(status))
        # The table says the same.
        table = self.casemate("validate-eif", "--eif-path", self.image, *options)
        self.assertEqual(table.returncode, status)
        # How much memory the machine has left is another number each time.
        lines = [f"{one['Check']} {one['Result']} {one['Detail']}".split("free memory, found")[0]
                 for one in found["Checks"]]
        lines.append(f"start bad would fail with {code}" if status else "start ok would start")
        self.assertEqual([" ".join(line.split("free memory, found")[0].split())
                          for line in table.stdout.splitlines()],
                         [" ".join(line.split()) for line in lines])
        self.found = found
        return {one["Check"]: (one["Result"], one["Detail"]) for one in found["Checks"]}

    def test_a_good_image(self):
        found = self.judged(plain(), 0, "--memory", "64", "--cpu-count", "1")
        self.assertEqual(list(found), ["CPUs", "structure", "CRC", "architecture", "kernel", "command line",
                                       "ramdisk 0", "ramdisk 1", "init", "metadata", "signature", "memory"])
        self.assertEqual(found["kernel"], ("ok", "vmlinux for x86_64, 8192 bytes"))
        self.assertEqual(found["command line"], ("ok", CMDLINE.decode()))
        self.assertEqual(found["ramdisk 0"], ("ok", "cpio, 3 entries"))
        self.assertEqual(found["init"], ("ok", "/init in ramdisk 0; nsm.ko beside it"))
        self.assertEqual(found["signature"], ("note", "none: PCR8 will be zero"))
        self.assertEqual(found["memory"], ("ok", "at least 64 MiB"))
        self.assertEqual(self.found["MinimumMemoryMiB"], 64)
        self.assertEqual(self.found["Measurements"], {"HashAlgorithm": "Sha384 { ... }", **plain().measurements()})

    def test_signatures(self):
        for ends, result in ((48, "note"), (24 * 365, "ok")):
            signer = Signer(ends=ends)
            result_found, detail = self.judged(plain().signed(signer.key, signer.pem), 0)["signature"]
            self.assertEqual(result_found, result)
            self.assertRegex(detail, r"of signer, expires in \d+ days?$")
        for begins, ends, sentence in ((-48, -24, "that ended on"), (24, 48, "that begins on")):
            signer = Signer(begins=begins, ends=ends)
            found = self.judged(plain().signed(signer.key, signer.pem), 59)
            self.assertIn(sentence, found["signature"][1])
        signer, other = Signer(), Signer()
        for section in (eif.signature_section(signer.key, signer.pem, bytes(48)),
                        eif.signature_section(other.key, signer.pem,
                                              bytes.fromhex(plain().measurements()["PCR0"])),
                        b"", b"\x80", b"\xff" * 100, eif.signature_section(signer.key, b"no PEM", bytes(48))):
            image = plain()
            image.sections.append((eif.SIGNATURE, section))
            self.assertEqual(self.judged(image, 59)["signature"][0], "bad")

    def test_memory(self):
        big = plain(ramdisks=(BOOT_RAMDISK, bytes(40 << 20)))
        for memory, status in (("64", 26), ("163", 26), ("168", 0), ("1G", 0)):
            found = self.judged(big, status, "--memory", memory)
            self.assertEqual(found["memory"][0], "bad" if status else "ok", memory)
        self.assertEqual(self.found["MinimumMemoryMiB"], 4 * 41)
        self.assertIn("minimum memory should be 164 MB", self.judged(big, 26, "--memory", "100M")["memory"][1])
        self.judged(big, 27, "--memory", "900000G")
        self.judged(plain(), 26, "--memory", "0")
        # A kernel that wants more than four times the image.
        self.judged(plain(kernel=vmlinux(4096).replace(
            (4096).to_bytes(8, "little") * 2, (4096).to_bytes(8, "little") + (300 << 20).to_bytes(8, "little"))), 0)
        self.assertGreater(self.found["MinimumMemoryMiB"], 300)
        least = self.found["MinimumMemoryMiB"]
        image = eif.read(self.image.read_bytes())
        self.judged(image, 26, "--memory", str(least - 1))
        self.judged(image, 0, "--memory", str(least))

    def test_processors(self):
        self.judged(plain(), 22, "--cpu-count", "4096")
        self.judged(plain(), 29, "--cpu-count", "0")

    def test_kernels_and_command_lines(self):
        for changes, check in (({"kernel": b"text"}, "kernel"), ({"kernel": b""}, "kernel"),
                               ({"kernel": ARM_IMAGE}, "kernel"), ({"kernel": vmlinux()[:0x1000]}, "kernel"),
                               ({"kernel": bz_image()}, "kernel"), ({"arch": eif.AARCH64}, "architecture"),
                               ({"cmdline": b"x" * 4096}, "command line"),
                               ({"metadata": b"{"}, "metadata"), ({"metadata": b""}, "metadata"),
                               ({"metadata": b"{}"}, "metadata")):
            with self.subTest(changes=str(changes)[:60]):
                self.assertEqual(self.judged(plain(**changes), 35)[check][0], "bad")
        damaged = bytearray(plain().to_bytes())
        damaged[-1] ^= 1
        self.assertEqual(self.judged(bytes(damaged), 35)["CRC"][0], "bad")
        for line in (b"", b"a\0b"):
            self.assertEqual(self.judged(plain(cmdline=line), 0)["command line"][0], "note")
        # What an image says is not sent to a terminal as it is.
        self.assertNotIn("\x1b", self.judged(plain(cmdline=b"a\x1b[2J"), 0)["command line"][1])

    def test_ramdisks(self):
        def init(mode=0o755, name="init"):
            return cpio([file(name, b"x" * 99, mode)])

        two_halves = BOOT_RAMDISK[:200], BOOT_RAMDISK[200:]
        for status, result, ramdisks, line in (
                (0, "ok", [images.gzipped(BOOT_RAMDISK)], b"a"),
                (0, "ok", [images.gzipped(BOOT_RAMDISK) + images.gzipped(APPLICATION_RAMDISK)], b"a"),
                (0, "ok", [two_halves[0], two_halves[1]], b"a"),
                (0, "ok", [BOOT_RAMDISK + bytes(512) + APPLICATION_RAMDISK], b"a"),
                (0, "ok", [init(name="./init")], b"a"), (0, "ok", [init(name="sbin/go")], b"q rdinit=/sbin/go"),
                (0, "ok", [APPLICATION_RAMDISK, init()], b"a"),
                (0, "note", [b"\xfd7zXZ\0" + bytes(99)], b"a"), (0, "note", [b"\x28\xb5\x2f\xfd" * 9], b"a"),
                (0, "note", [cpio([("init", 0o120777, b"bin/sh")])], b"a"),
                (36, "bad", [APPLICATION_RAMDISK], b"a"), (36, "bad", [b""], b"a"), (36, "bad", [bytes(4096)], b"a"),
                (36, "bad", [init(0o644)], b"a"), (36, "bad", [init(name="sbin/init")], b"a"),
                (36, "bad", [init()], b"rdinit=/other"), (36, "bad", [b"text"], b"a"),
                (36, "bad", [b"text", BOOT_RAMDISK], b"a"),
                (36, "bad", [APPLICATION_RAMDISK + b"\0", BOOT_RAMDISK], b"a"),
                (36, "bad", [images.gzipped(b"text")], b"a"),
                (36, "bad", [images.gzipped(BOOT_RAMDISK)[:40]], b"a"), (36, "bad", [b"\x1f\x8b"], b"a"),
                (36, "bad", [b"0707010" + b"g" * 103], b"a")):
            with self.subTest(ramdisks=[one[:16] for one in ramdisks], status=status):
                self.assertEqual(self.judged(plain(ramdisks=ramdisks, cmdline=line), status)["init"][0], result)
        cut = self.judged(plain(ramdisks=[BOOT_RAMDISK[:-200]]), 0)
        self.assertEqual(cut["ramdisks"][0], "note")
        bomb = images.gzipped(bytes(64 << 20))
        self.assertLess(len(bomb), 1 << 17)
        self.judged(plain(ramdisks=[BOOT_RAMDISK, bomb]), 0)

    def test_what_is_no_file(self):
        for path, sentence in (("/does/not/exist", "No such file"), (self.place, "directory")):
            done = self.casemate("validate-eif", "--eif-path", path)
            self.assertIn(done.returncode, (19, 35))
            self.assertIn(sentence, done.stderr)
        for options in ([], ["--eif-path"], ["--eif-path", "x", "--output", "xml"]):
            self.assertEqual(self.casemate("validate-eif", *options).returncode, 2)
        self.assertEqual(self.casemate("validate-eif", "--eif-path", "x", "--memory", "much").returncode, 3)


class Interrupted(ImageTest):
    """SIGINT and SIGKILL at many points: the file is the old or the new one, and nothing is left beside it."""

    POINTS = 24

    def interrupt(self, command, before):
        """Runs the command again and again, interrupted ever later, until it comes to its end."""
        start = time.monotonic()
        subprocess.run([*map(str, command)], check=True, capture_output=True, env=self.environment)
        took, after = time.monotonic() - start, self.image.read_bytes()
        outcomes = set()
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for point in range(self.POINTS):
                if before is None:
                    self.image.unlink(missing_ok=True)
                else:
                    self.image.write_bytes(before)
                with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      env=self.environment) as process:
                    time.sleep(took * point / self.POINTS)
                    process.send_signal(kind)
                    process.wait(timeout=images.SECONDS)
                found = self.image.read_bytes() if self.image.exists() else None
                self.assertIn(process.returncode, (0, -kind))
                self.assertIn(found, (before, after))
                self.assertEqual(self.left(), [] if found is None else ["image.eif"], kind)
                if process.returncode == 0:
                    self.assertEqual(found, after)
                outcomes.add((kind, found == after))
        # Some came before the end.
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self.assertIn((kind, False), outcomes)

    def test_eif_build(self):
        for name, data in (("kernel", vmlinux(1 << 24)), ("ramdisk", BOOT_RAMDISK + bytes(1 << 24))):
            (self.folder / name).write_bytes(data)
        command = [EIF_BUILD, "--kernel", self.folder / "kernel", "--cmdline", "a", "--ramdisk",
                   self.folder / "ramdisk", "--output", self.image, "--build-time", "then"]
        self.interrupt(command, None)
        self.interrupt(command, b"before")

    def test_sign_eif(self):
        # Signatures differ each time: what is looked at is whether there is one, and only one.
        signer = Signer()
        before = plain(ramdisks=(BOOT_RAMDISK, bytes(1 << 25))).to_bytes()
        command = [CASEMATE, "sign-eif", "--eif-path", self.image, *signer.options(self.folder)]
        self.image.write_bytes(before)
        start = time.monotonic()
        subprocess.run([*map(str, command)], check=True, capture_output=True, env=self.environment)
        took = time.monotonic() - start
        unsigned = 0
        for kind in (signal.SIGINT, signal.SIGKILL):
            for point in range(self.POINTS):
                self.image.write_bytes(before)
                with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      env=self.environment) as process:
                    time.sleep(took * point / self.POINTS)
                    process.send_signal(kind)
                    process.wait(timeout=images.SECONDS)
                found = self.image.read_bytes()
                self.assertEqual(self.left(), ["image.eif"])
                if found == before:
                    unsigned += 1
                    self.assertEqual(process.returncode, -kind)
                else:
                    self.assertTrue(eif.read(found).crc_good and eif.read(found).signature_good())
        self.assertGreater(unsigned, 0)

    def test_build_enclave_with_a_signature(self):
        root, blobs = self.folder / "root", self.folder / "blobs"
        root.mkdir()
        blobs.mkdir()
        (root / "program").write_bytes(bytes(1 << 24))
        for name, data in (("bzImage", bz_image()), ("cmdline", b"a\n"), ("init", b"#!init")):
            (blobs / name).write_bytes(data)
        self.environment["NITRO_CLI_BLOBS"] = str(blobs)
        command = [CASEMATE, "build-enclave", "--docker-uri", f"dir:{root}", "--output-file", self.image,
                   *Signer().options(self.folder), "--", "/program"]
        start = time.monotonic()
        subprocess.run([*map(str, command)], check=True, capture_output=True, env=self.environment)
        took = time.monotonic() - start
        for kind in (signal.SIGINT, signal.SIGKILL):
            for point in range(self.POINTS):
                self.image.unlink(missing_ok=True)
                with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      env=self.environment) as process:
                    time.sleep(took * point / self.POINTS)
                    process.send_signal(kind)
                    process.wait(timeout=images.SECONDS)
                if self.image.exists():
                    image = eif.read(self.image.read_bytes())
                    self.assertTrue(image.crc_good and image.signature_good())
                self.assertIn(self.left(), ([], ["image.eif"]), kind)


class Hostile(ImageTest):
    """What the fuzzer's seeds and their mutations make of the programs: an error's number, never a death, and
    nothing written but what was asked for."""

    MUTATIONS = 6

    def contents(self):
        whole = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
        signer = Signer()
        whole.append(plain().signed(signer.key, signer.pem).to_bytes())
        random_bytes = random.Random(20210318)
        for contents in whole:
            yield contents
            for _ in range(self.MUTATIONS):
                changed = bytearray(contents)
                for _ in range(random_bytes.randint(1, 8)):
                    if not changed:
                        break
                    # Most of what can be said wrongly is in the header.
                    at = random_bytes.randrange(min(len(changed), random_bytes.choice((600, len(changed)))))
                    changed[at] = random_bytes.choice((0, 1, 0x7f, 0x80, 0xff, changed[at] ^ 1))
                if random_bytes.random() < 0.2:
                    del changed[random_bytes.randrange(len(changed) + 1):]
                yield bytes(changed)
                if len(changed) >= eif.HEADER.size:
                    yield eif.with_crc(bytes(changed))

    def test_no_program_dies_of_them(self):
        signing = Signer().options(self.folder)
        before = sorted(path.name for path in self.folder.iterdir())
        for number, contents in enumerate(self.contents()):
            for verb, *options in (("describe-eif",), ("validate-eif",), ("sign-eif", *signing)):
                self.write(contents)
                done = self.casemate(verb, "--eif-path", self.image, *options)
                self.assertIn(done.returncode, {"describe-eif": (0, 35), "validate-eif": (0, 26, 35, 36, 59),
                                                "sign-eif": (0, 60)}[verb],
                              f"{number} {verb}: {done.stderr} {contents.hex()[:2000]}")
                self.assertEqual(self.left(), ["image.eif"])
                if done.returncode != 0 or verb != "sign-eif":
                    self.assertEqual(self.image.read_bytes(), contents)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), before)

    def test_run_enclave_refuses_them_before_there_is_a_machine(self):
        for path in sorted(CORPUS.iterdir()):
            with self.subTest(path.name):
                self.write(path.read_bytes())
                done = self.casemate("run-enclave", "--eif-path", self.image, "--cpu-count", "1", "--memory", "64",
                                     "--accel", "kvm")
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertGreater(done.returncode, 0)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\[ E\d\d \] ")
        self.assertEqual(json.loads(self.casemate("describe-enclaves").stdout), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
