"""build-enclave as a program: AWS's layout, the same bytes from all sources, other architectures,
hostile images, interruption, full disks, progress."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import pty
import random
import resource
import shutil
import signal
import struct
import subprocess
import tarfile
import tempfile
import time
import unittest

import forge
from harness import BINARY_DIR, CASEMATE

CORPUS = pathlib.Path(__file__).parent.parent.parent / "fuzz/corpus"
# Nothing here takes a minute, but the builder of the tests can be busy.
SECONDS = 300


def bz_image():
    return bytes(0x202) + b"HdrS" + bytes(1000)


def arm64_image():
    return bytes(0x38) + b"ARM\x64" + bytes(1000)


def elf_program(machine):
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(100)


def tar_of(entries, **options):
    """(name, type, mode, content or link target) with the time 1000 + number."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, **options) as tar:
        for number, (name, kind, mode, content) in enumerate(entries):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, mode, 1000 + number
            if kind == tarfile.REGTYPE:
                entry.size = len(content)
            else:
                entry.linkname = content
            tar.addfile(entry, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return out.getvalue()


FILE, DIRECTORY, SYMLINK, LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
LAYER = [("bin", DIRECTORY, 0o755, ""), ("bin/app", FILE, 0o755, b"program"),
         ("bin/app.conf", FILE, 0o640, b"x"), ("bin-old", DIRECTORY, 0o700, ""),
         ("etc", DIRECTORY, 0o755, ""), ("etc/hosts", FILE, 0o644, b"10.0.0.1 db\n"),
         ("etc/hostname", FILE, 0o644, b"builder\n"), ("tmp", DIRECTORY, 0o1777, ""),
         ("usr", DIRECTORY, 0o755, ""), ("usr/same", LINK, 0o755, "bin/app"),
         ("usr/sh", SYMLINK, 0o777, "../bin/app"), ("Dockerfile", FILE, 0o644, b"FROM scratch\n")]
CONFIG = {"Env": ["PATH=/bin", "A=b c"], "Entrypoint": ["/bin/app"], "Cmd": ["--flag", "two words"]}


class Builder(unittest.TestCase):
    """A private folder for blobs, sources and output, and no network or state."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-builder.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.out = self.directory / "out"
        self.out.mkdir()
        self.output = self.out / "image.eif"
        self.blobs = self.make_blobs("blobs", "bzImage", bz_image(), elf_program(62))
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "LC_ALL": "C",
            "CASEMATE_STATE_DIR": str(self.directory / "state"),
            "CASEMATE_RUNTIME_DIR": str(self.directory / "run"),
            "NITRO_CLI_BLOBS": str(self.blobs), "SOURCE_DATE_EPOCH": "1720545398"}

    def make_blobs(self, name, kernel_name, kernel, init):
        blobs = self.directory / name
        blobs.mkdir()
        for file, data in ((kernel_name, kernel), ("init", init), ("nsm.ko", b"module"),
                           ("cmdline", b" reboot=k  panic=30 \n")):
            (blobs / file).write_bytes(data)
        return blobs

    def command(self, uri, *options):
        return [str(CASEMATE), "build-enclave", "--docker-uri", uri, "--output-file",
                str(self.output), *map(str, options)]

    def run_build(self, uri, *options, environment=None, **more):
        return subprocess.run(self.command(uri, *options), capture_output=True, text=True,
                              timeout=SECONDS, check=False,
                              env={**self.environment, **(environment or {})}, **more)

    def build(self, uri, *options, **more):
        done = self.run_build(uri, *options, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.output.read_bytes()

    def refused(self, status, sentence, uri, *options, **more):
        done = self.run_build(uri, *options, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertIn(f"[ E{status} ]", done.stderr)
        self.assertIn(sentence, done.stderr)
        self.assertEqual(list(self.out.iterdir()), [])

    def docker_archive(self, name, layers, config=None, compress=None, architecture="amd64"):
        """docker-archive: as `docker save` writes it."""
        config = json.dumps({"architecture": architecture, "os": "linux", "config": config or CONFIG,
                             "rootfs": {"type": "layers", "diff_ids": [
                                 "sha256:" + hashlib.sha256(layer).hexdigest()
                                 for layer in layers]}}).encode()
        files = {"config.json": config}
        names = []
        for number, layer in enumerate(layers):
            names.append(f"{number}/layer.tar")
            files[names[-1]] = compress(layer) if compress else layer
        files["manifest.json"] = json.dumps(
            [{"Config": "config.json", "RepoTags": ["a:b"], "Layers": names}]).encode()
        path = self.directory / name
        path.write_bytes(tar_of([(name, FILE, 0o644, data) for name, data in files.items()]))
        return f"docker-archive:{path}"

    def oci_layout(self, name, layers, config=None, compress=None, architectures=("amd64",)):
        layout = self.directory / name
        (layout / "blobs/sha256").mkdir(parents=True)

        def put(data, **more):
            digest = hashlib.sha256(data).hexdigest()
            (layout / "blobs/sha256" / digest).write_bytes(data)
            return {"digest": "sha256:" + digest, "size": len(data), **more}

        media = "application/vnd.oci.image."
        manifests = []
        for architecture in architectures:
            blobs = [put(compress(layer) if compress else layer, mediaType=media + "layer.v1.tar"
                         + ("+gzip" if compress else "")) for layer in layers]
            about = put(json.dumps({
                "architecture": architecture, "os": "linux", "config": config or CONFIG,
                "rootfs": {"type": "layers", "diff_ids": [
                    "sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]}}).encode(),
                mediaType=media + "config.v1+json")
            manifests.append(put(json.dumps({
                "schemaVersion": 2, "mediaType": media + "manifest.v1+json", "config": about,
                "layers": blobs}).encode(), mediaType=media + "manifest.v1+json",
                platform={"os": "linux", "architecture": architecture}))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
        return f"oci:{layout}"


# What is known of linuxkit's writer, written down once more from docs/nitro-cli-compatibility.md.
MADE = 1492533000
HOSTS = (b"127.0.0.1       localhost\n::1     localhost ip6-localhost ip6-loopback\n"
         b"fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\n"
         b"ff02::2 ip6-allrouters\n")


def linuxkit_cpio(entries):
    """A newc archive of (name, mode, time, data), its end padded to 512 bytes."""
    out = bytearray()
    for number, (name, mode, modified, data) in enumerate([*entries, ("TRAILER!!!", 0, 0, b"")]):
        links = 2 if mode & 0o170000 == 0o040000 else 1
        fields = (721 + number, mode, 0, 0, links, modified, len(data), 3, 1, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out + bytes(-len(out) % 512))


class AwsLayout(Builder):

    def test_both_ramdisks_are_as_linuxkit_writes_them(self):
        """Byte for byte, by a writer made from the documented facts alone."""
        image = self.build(self.docker_archive("saved.tar", [tar_of(LAYER)]))
        ramdisks = [data for kind, data in forge.sections_of(image) if kind == forge.RAMDISK]
        folder, file, link = 0o040000, 0o100000, 0o120000
        self.assertEqual(ramdisks[0], linuxkit_cpio([
            ("dev", folder | 0o755, MADE, b""), ("init", file | 0o755, MADE, elf_program(62)),
            ("nsm.ko", file | 0o755, MADE, b"module")]))
        self.assertEqual(ramdisks[1], linuxkit_cpio([
            ("rootfs", folder | 0o755, MADE, b""),
            ("rootfs/bin/", folder | 0o755, 1000, b""),
            ("rootfs/bin/app", file | 0o755, 1001, b"program"),
            ("rootfs/bin/app.conf", file | 0o640, 1002, b"x"),
            ("rootfs/bin-old/", folder | 0o700, 1003, b""),
            ("rootfs/dev/", folder | 0o755, MADE, b""),
            ("rootfs/dev/pts/", folder | 0o755, MADE, b""),
            ("rootfs/dev/shm/", folder | 0o755, MADE, b""),
            ("rootfs/etc/", folder | 0o755, MADE, b""),
            ("rootfs/etc/hosts", file | 0o755, MADE, HOSTS),
            ("rootfs/etc/mtab", link | 0o777, MADE, b"/proc/mounts"),
            ("rootfs/etc/resolv.conf", link | 0o755, MADE, b"/run/resolvconf/resolv.conf"),
            ("rootfs/proc/", folder | 0o755, MADE, b""),
            ("rootfs/sys/", folder | 0o755, MADE, b""),
            ("rootfs/tmp/", folder | 0o1777, 1007, b""),
            ("rootfs/usr/", folder | 0o755, 1008, b""),
            ("rootfs/usr/same", link | 0o755, 1001, b"../bin/app"),
            ("rootfs/usr/sh", link | 0o777, 1010, b"../bin/app"),
            ("rootfs", folder | 0o755, MADE, b""),
            *((f"rootfs/{name}", folder | 0o755, MADE, b"")
              for name in ("dev", "run", "sys", "var", "proc", "tmp")),
            ("cmd", file | 0o644, MADE, b"/bin/app\n--flag\ntwo words\n"),
            ("env", file | 0o644, MADE, b"PATH=/bin\nA=b c\n")]))
        self.assertEqual(dict(forge.sections_of(image))[forge.CMDLINE], b"reboot=k  panic=30")

    def test_what_docker_makes_replaces_links_and_files(self):
        """A link or file where Docker mounts something does not survive a container's start."""
        layer = tar_of([("etc", SYMLINK, 0o777, "usr/etc"), ("proc", FILE, 0o644, b"x"),
                        ("usr/etc/passwd", FILE, 0o644, b"p")])
        image = self.build(self.docker_archive("saved.tar", [layer]))
        names = image.split(b"070701")
        self.assertEqual(sum(b"rootfs/etc/\0" in name for name in names), 1)
        self.assertEqual(sum(b"rootfs/proc/\0" in name for name in names), 1)
        self.assertFalse(any(b"rootfs/proc\0x" in name for name in names))

    def test_what_awss_init_ignores_is_told(self):
        config = {**CONFIG, "WorkingDir": "/srv", "User": "1000", "Cmd": ["a\nb"]}
        archive = self.docker_archive("saved.tar", [tar_of(LAYER)], config)
        said = self.run_build(archive).stderr
        for part in ("WORKDIR /srv", "USER 1000", "line break"):
            self.assertIn(part, said)
        # Casemate's own init honours them, and its layout says them.
        said = self.run_build(archive, "--init", self.blobs / "init")
        self.assertEqual((said.returncode, "Note:" in said.stderr), (0, False), said.stderr)
        self.assertIn(b"workdir\0", self.output.read_bytes())


class Reproducible(Builder):

    def test_all_sources_and_places_give_one_file(self):
        """Whatever the source's kind and compression, the working directory, umask, time zone,
        home, language and number of processors: one image, but for what names its source."""
        layers = [tar_of(LAYER), tar_of([("bin/app", FILE, 0o755, b"newer"),
                                         (".wh.bin-old", FILE, 0o644, b"")]),
                  tar_of([("usr/more", FILE, 0o600, b"m" * 100000)])]
        sources = {
            "archive": self.docker_archive("saved.tar", layers),
            "archive-gzip": self.docker_archive("saved-gzip.tar", layers, compress=gzip.compress),
            "layout": self.oci_layout("layout", layers),
            "layout-gzip": self.oci_layout("layout-gzip", layers, compress=gzip.compress)}
        for blobs in (str(self.blobs), ""):
            kernel = ["--kernel", self.blobs / "bzImage", "--init", self.blobs / "init"]
            files = {}
            for number, (name, uri) in enumerate(sources.items()):
                elsewhere = self.directory / f"{name}{len(blobs)}"
                elsewhere.mkdir()
                places = [dict(cwd="/", umask=0o022), dict(cwd=elsewhere, umask=0o077)][number % 2]
                environment = {
                    "NITRO_CLI_BLOBS": blobs, "TZ": ["UTC", "Asia/Kathmandu"][number % 2],
                    "LC_ALL": ["C", "C.UTF-8"][number // 2], "HOME": str(elsewhere),
                    "TMPDIR": str(elsewhere)}
                command = self.command(uri, "--name", "n", "--version", "1",
                                       *([] if blobs else kernel))
                if number == 3:
                    command = ["taskset", "-c", "0", *command]
                subprocess.run(command, env={**self.environment, **environment}, check=True,
                               capture_output=True, timeout=SECONDS, **places)
                files[name] = self.output.read_bytes()
            self.assertEqual(files["archive"], files["archive-gzip"])
            self.assertEqual(files["archive"], files["layout"])
            self.assertEqual(files["archive"], files["layout-gzip"])
            self.assertIn(b'"BuildTime":"2024-07-09T17:16:38+00:00"', files["archive"])

    def test_another_time_changes_the_metadata_alone(self):
        archive = self.docker_archive("saved.tar", [tar_of(LAYER)])
        first = forge.sections_of(self.build(archive))
        second = forge.sections_of(self.build(archive, environment={"SOURCE_DATE_EPOCH": "1"}))
        self.assertNotEqual(first, second)
        self.assertEqual(forge.pcrs(first), forge.pcrs(second))

    def test_a_time_that_is_none_is_refused(self):
        archive = self.docker_archive("saved.tar", [tar_of(LAYER)])
        for text in ("yesterday", "-1", "1.5", "99999999999999999999", " 1", "1 ", "0x10"):
            self.refused(48, "SOURCE_DATE_EPOCH", archive, environment={"SOURCE_DATE_EPOCH": text})


class Arm(Builder):

    def setUp(self):
        super().setUp()
        self.both = self.oci_layout("both", [tar_of(LAYER)], architectures=("amd64", "arm64"))
        self.arm = self.make_blobs("arm", "Image", arm64_image(), elf_program(183))

    def test_an_arm_image_of_a_multi_architecture_source(self):
        """With Arm's blobs, and with a kernel and an init of one's own."""
        for options, blobs in (((), str(self.arm)), (("--arch", "aarch64"), str(self.arm)),
                               (("--kernel", self.arm / "Image", "--init", self.arm / "init"), "")):
            image = self.build(self.both, *options, environment={"NITRO_CLI_BLOBS": blobs})
            self.assertEqual(image[6:8], b"\0\1")
            sections = forge.sections_of(image)
            self.assertEqual(sections[0][1], arm64_image())
            self.assertEqual(sections[1][1], b"reboot=k  panic=30" if blobs else
                             b"reboot=k panic=30 pci=off nomodules console=ttyS0 "
                             b"random.trust_cpu=on root=/dev/ram0")
            about = json.loads(dict(sections)[forge.METADATA])
            self.assertEqual(about["DockerInfo"]["Architecture"], "arm64")
            described = subprocess.run(
                [CASEMATE, "describe-eif", "--eif-path", self.output], capture_output=True,
                text=True, check=True, env=self.environment)
            shown = json.loads(described.stdout)["Measurements"]
            self.assertEqual({key: shown[key] for key in ("PCR0", "PCR1", "PCR2")},
                             forge.pcrs(sections))

    def test_architectures_that_do_not_fit_are_refused(self):
        none = {"NITRO_CLI_BLOBS": ""}
        image = self.arm / "Image"
        self.refused(48, "Expected an init for aarch64", self.both, "--kernel", image, "--init",
                     self.blobs / "init", environment=none)
        self.refused(48, "Expected an init for aarch64", self.both, "--kernel", image,
                     environment=none)
        self.refused(48, "Expected a kernel for x86_64 (--arch), found one for aarch64", self.both,
                     "--kernel", image, "--arch", "x86_64", environment=none)
        self.refused(48, "Expected Image in", self.both, "--arch", "aarch64")
        packed = self.directory / "Image.gz"
        packed.write_bytes(gzip.compress(arm64_image()))
        self.refused(48, "decompress it", self.both, "--kernel", packed, environment=none)
        alone = self.oci_layout("alone", [tar_of(LAYER)])
        self.refused(50, "linux/arm64", alone, environment={"NITRO_CLI_BLOBS": str(self.arm)})
        done = self.run_build(self.both, "--arch", "riscv64")
        self.assertEqual(done.returncode, 2)


def tree_of(directory):
    """Every path below with what would change if somebody wrote there."""
    found = {}
    for folder, folders, files in os.walk(directory):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
    return found


class Hostile(Builder):
    """Whatever an image holds: E48, E50 or a good file, and nothing changes but the output."""

    def judge(self, uri, must_fail=False, expected=""):
        self.output.unlink(missing_ok=True)
        before = tree_of(self.directory)

        def limit():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        done = self.run_build(uri, "--", "/app", preexec_fn=limit,
                              environment={"HOME": "/nonexistent"})
        self.assertIn(done.returncode, (48, 50) if must_fail else (0, 48, 50),
                      f"{uri}: {done.stderr}")
        if expected:
            self.assertIn(expected, done.stderr)
        after = tree_of(self.directory)
        if done.returncode == 0:
            described = subprocess.run([CASEMATE, "describe-eif", "--eif-path", self.output],
                                       capture_output=True, text=True, check=True,
                                       env=self.environment)
            self.assertTrue(json.loads(described.stdout)["CheckCRC"])
            after.pop(str(self.output))
        for tree in (before, after):
            tree.pop(str(self.out))
        self.assertEqual(before, after)

    def mutations(self, folder, count):
        """Each seed as it is, then changed in a way that is the same in each run."""
        for seed in sorted((CORPUS / folder).iterdir()):
            data = seed.read_bytes()
            yield data
            chance = random.Random(seed.name)
            for _ in range(count):
                changed = bytearray(data[:1 << 16])
                for _ in range(chance.randint(1, 4)):
                    at = chance.randrange(len(changed) + 1)
                    changed[at:at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
                yield bytes(changed)

    def test_layers(self):
        for data in self.mutations("layer", 2):
            self.judge(self.docker_archive("saved.tar", [data]))

    def test_documents(self):
        for folder in ("oci_documents", "docker_manifest", "cpio"):
            for number, data in enumerate(self.mutations(folder, 1)):
                shutil.rmtree(self.directory / "layout", ignore_errors=True)
                uri = self.oci_layout("layout", [tar_of(LAYER)])
                (self.directory / "layout/index.json").write_bytes(data)
                self.judge(uri)
                archive = self.directory / "saved.tar"
                archive.write_bytes(tar_of([("manifest.json", FILE, 0o644, data)])
                                    if number % 2 else data)
                self.judge(f"docker-archive:{archive}")

    def test_paths_that_leave_the_image(self):
        outside = self.directory / "outside"
        outside.mkdir()
        (outside / "victim").write_bytes(b"safe")
        victim = str(outside / "victim")
        for entries in ([("../../outside/victim", FILE, 0o644, b"x")],
                        [(victim, FILE, 0o644, b"x")],
                        [("a/../../outside/victim", FILE, 0o644, b"x")],
                        [("h", LINK, 0o644, "../../outside/victim")],
                        [("h", LINK, 0o644, victim)],
                        [(".wh...", FILE, 0o644, b"")], [("a/.wh..", FILE, 0o644, b"")],
                        [("n" * 300, FILE, 0o644, b"x")],
                        [("/".join(["n" * 200] * 30), FILE, 0o644, b"x")]):
            self.judge(self.docker_archive("saved.tar", [tar_of(entries)]), must_fail=True)
        # A link out of the image leads nowhere else: what is behind it is in the image.
        escape = [("d", SYMLINK, 0o777, str(outside)), ("d/victim", FILE, 0o644, b"x")]
        self.judge(self.docker_archive("saved.tar", [tar_of(escape)]))
        self.assertTrue(self.output.exists())
        nodes = [("null", tarfile.CHRTYPE, 0o666, ""), ("disk", tarfile.BLKTYPE, 0o666, ""),
                 ("pipe", tarfile.FIFOTYPE, 0o666, "")]
        self.judge(self.docker_archive("saved.tar", [tar_of(nodes)]))
        self.assertTrue(self.output.exists())
        self.assertEqual((outside / "victim").read_bytes(), b"safe")

    def test_bombs(self):
        """Little that unpacks to much ends at a limit, with little memory."""
        # 64 GiB and more of zeros, in a sparse file: a kilobyte. A file of 4 GiB is too large.
        header = tarfile.TarInfo("zeros")
        header.type, header.size = b"S", 512
        block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
        block[386:410] = b"00000000000\x0000000001000\0"
        block[483:495] = b"77777777777\0"
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        sparse = bytes(block) + bytes(512) + bytes(1024)
        self.judge(self.docker_archive("saved.tar", [sparse]), must_fail=True)
        # More entries than Casemate takes: 1 GiB of tar in a few megabytes of gzip.
        one = tar_of([("f", FILE, 0o644, b"")])[:512]
        entries = gzip.compress(one * (1 << 20) + bytes(1024), 1)
        layer = one * (1 << 20) + one + bytes(1024)
        self.judge(self.docker_archive("saved.tar", [layer], compress=lambda _: entries),
                   must_fail=True)


class Interrupted(Builder):

    def setUp(self):
        super().setUp()
        rng = random.Random(1)
        self.layers = [tar_of([(f"file{number}", FILE, 0o644, rng.randbytes(4 << 20))])
                       for number in range(8)]
        self.image = self.oci_layout("large", self.layers,
                                     compress=lambda data: gzip.compress(data, 1))

    def interrupt(self, number, delay):
        """Sends the signal after delay seconds; the exit status, None where it came too late."""
        with subprocess.Popen(self.command(self.image), env=self.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(delay)
            process.send_signal(number)
            status = process.wait(timeout=SECONDS)
        return status if status != 0 else None

    def full_time(self):
        start = time.monotonic()
        self.build(self.image)
        return time.monotonic() - start

    def test_nothing_half_made_is_left_at_any_moment(self):
        took = self.full_time()
        whole = self.output.read_bytes()
        for existing in (False, True):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                for step in range(8):
                    self.output.unlink(missing_ok=True)
                    if existing:
                        self.output.write_bytes(b"the file before")
                    status = self.interrupt(number, took * step / 7)
                    # It dies of the signal, or is done before.
                    self.assertIn(status, (None, -number))
                    left = {path.name: path.read_bytes() for path in self.out.iterdir()}
                    if status is None or left.get("image.eif") == whole:
                        self.assertEqual(left, {"image.eif": whole})
                    else:
                        self.assertEqual(left, {"image.eif": b"the file before"} if existing else {})

    def test_a_shell_sees_130_and_143(self):
        for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            script = 'trap "" CHLD; "$@" & pid=$!; sleep 0.05; kill -$0 $pid; wait $pid; exit $?'
            # In the background a shell ignores SIGINT for its children: so ask env to undo that.
            done = subprocess.run(
                ["sh", "-c", script, str(int(number)), "env", "--default-signal=INT,TERM",
                 *self.command(self.image)],
                env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                timeout=SECONDS, check=False)
            self.assertIn(done.returncode, (expected, 0), done.stderr)

    def test_a_full_disk_and_a_limit_on_files(self):
        def limit(size):
            def apply():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            return apply

        for existing in (False, True):
            for size in (0, 1, 4096, 1 << 20, 20 << 20):
                if existing:
                    self.output.write_bytes(b"")
                done = self.run_build(self.image, preexec_fn=limit(size))
                self.assertEqual(done.returncode, 19, done.stderr)
                self.assertIn("failing operation: 'Write'", done.stderr)
                self.assertEqual([(path.name, path.stat().st_size) for path in self.out.iterdir()],
                                 [("image.eif", 0)] if existing else [])
            self.output.unlink(missing_ok=True)

    def test_a_full_file_system(self):
        small = self.directory / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"SKIPPED: no tmpfs can be mounted: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        self.output = small / "image.eif"
        done = self.run_build(self.image)
        self.assertEqual(done.returncode, 19, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(list(small.iterdir()), [])


class Progress(Builder):

    def on_a_terminal(self, *command):
        """What the program writes when standard error is a terminal of 60 columns."""
        master, slave = pty.openpty()
        import fcntl
        import termios
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        with subprocess.Popen([CASEMATE, *command], env={**self.environment, "TERM": "xterm"},
                              stdout=subprocess.PIPE, stderr=slave) as process:
            os.close(slave)
            said = bytearray()
            while True:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                said += piece
            process.stdout.read()
            self.assertEqual(process.wait(timeout=SECONDS), 0, said)
        os.close(master)
        return said.decode()

    def test_bars_on_a_terminal_and_none_elsewhere(self):
        root = self.directory / "root"
        root.mkdir()
        (root / "large").write_bytes(bytes(64 << 20))
        arguments = self.command(f"dir:{root}", "--", "/large")
        quiet = self.run_build(f"dir:{root}", "--", "/large")
        self.assertEqual(quiet.stderr, "Start building the Enclave Image...\n"
                                       "Enclave Image successfully created.\n")
        self.output.unlink()
        for said in (self.on_a_terminal(*arguments[1:]),
                     self.on_a_terminal("describe-eif", "--eif-path", self.output),
                     self.on_a_terminal("pcr", "--input", self.output)):
            bars = [part for part in said.replace("\r\n", "\r").split("\r") if "%" in part]
            self.assertTrue(bars, said)
            for bar in bars:
                self.assertLess(len(bar.replace("\x1b[K", "")), 60)
                self.assertRegex(bar, r"\d+%")
                self.assertIn("MiB", bar)
            # The last thing about the bar is that it goes.
            self.assertGreater(said.rfind("\x1b[K"), said.rfind("%"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
