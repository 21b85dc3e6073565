"""Images of a real daemon, Podman's service, and Dockerfiles built by buildah and podman."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import unittest

import harness

SCRATCH = 'FROM scratch\nCOPY . /app/\nENTRYPOINT ["/app/run"]\nCMD ["it"]\n'
# What Debian's shell needs to run.
LIBRARIES = ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2")


def needs(*programs):
    missing = [one for one in programs if shutil.which(one) is None]
    return unittest.skipIf(missing, f"there is no {', '.join(missing)}")


class Service:
    """Podman's service with a storage of its own, on a socket or a port."""

    def __init__(self, where, listen):
        self.where = pathlib.Path(where)
        self.storage = ["--root", str(self.where / "root"), "--runroot", str(self.where / "run"),
                        "--storage-driver", "vfs"]
        self.listen = listen
        self.log = open(self.where / "log", "ab")
        self.environment = dict(os.environ, BUILDAH_ISOLATION="chroot", TMPDIR=str(self.where),
                                HOME=str(self.where), XDG_RUNTIME_DIR=str(self.where))
        self.process = subprocess.Popen(
            ["podman", *self.storage, "--cgroup-manager", "cgroupfs", "--events-backend", "file",
             "system", "service", "--time", "0", listen],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def podman(self, *arguments, input=None):
        return subprocess.run(["podman", *self.storage, "--events-backend", "file", *arguments],
                              env=self.environment, check=True, capture_output=True,
                              stdin=None if input is not None else subprocess.DEVNULL, input=input)

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait()
        self.log.close()


@needs("podman")
class Podman(harness.DaemonTest):

    @classmethod
    def setUpClass(cls):
        where = tempfile.TemporaryDirectory(prefix="casemate-podman.", ignore_cleanup_errors=True)
        cls.addClassCleanup(where.cleanup)
        cls.socket = f"unix://{where.name}/podman.sock"
        cls.service = Service(where.name, cls.socket)
        cls.addClassCleanup(cls.service.end)
        harness.eventually(pathlib.Path(where.name, "podman.sock").exists, "Podman's socket")

    def setUp(self):
        super().setUp()
        self.environment["DOCKER_HOST"] = self.socket

    def build_app(self, name="app:v1", files=None, *options):
        folder = self.folder("context", {"Dockerfile": SCRATCH, **(files or {"run": "no program"})})
        return self.measurements(name, "--docker-dir", str(folder), *options)

    def test_an_image_is_the_same_from_everywhere(self):
        """The daemon's, its archive and its OCI layout have the same registers, and the metadata are
        those of the daemon."""
        built = self.build_app("same:v1", {"run": "no program", "a/b": "c" * 5000000})
        local = self.measurements("same:v1", says=["Using the locally available Docker image..."])
        self.assertEqual(built, local)
        described = self.describe()
        inspected = described["Metadata"]["DockerInfo"]
        self.assertEqual(described["ImageName"], "same")
        self.assertEqual("sha256:" + described["ImageVersion"], inspected["Id"])
        self.assertEqual(inspected["RepoTags"], ["docker.io/library/same:v1"])
        self.assertEqual(inspected["Config"]["Entrypoint"], ["/app/run"])
        self.assertEqual(self.measurements("docker-daemon:same:v1"), local)
        self.assertEqual(self.measurements(inspected["Id"]), local)
        archive, layout = self.directory / "a.tar", self.directory / "layout"
        self.service.podman("save", "--format", "docker-archive", "--output", str(archive), "same:v1")
        self.service.podman("push", "same:v1", f"oci:{layout}:v1")
        self.assertEqual(self.measurements(f"docker-archive:{archive}"), local)
        self.assertEqual(self.measurements(f"oci:{layout}:v1"), local)

    def test_the_newest_tag_is_the_default(self):
        self.build_app("localhost:1/x/untagged")
        self.measurements("localhost:1/x/untagged:latest")
        self.assertEqual(self.describe()["Metadata"]["DockerInfo"]["RepoTags"],
                         ["localhost:1/x/untagged:latest"])

    def test_dockerignore(self):
        """A daemon is sent what `docker build` would send, whatever the names are like."""
        long = "n" * 120 + "/" + "m" * 200
        kept = {"run": "r", ".dockerignore": "*.log\n/secret\n!secret/keep\n**/tmp\ndocs/*\n!docs/a*\n",
                "secret/keep": "k", "docs/abc": "d", "sub/x": "x", long: "long", "\u00e9": "e"}
        dropped = {"a.log": "l", "secret/key": "s", "sub/tmp/file": "t", "tmp": "t", "docs/b": "d"}
        self.build_app("ignored:v1", {**kept, **dropped})
        self.service.podman("save", "--output", str(self.directory / "a.tar"), "ignored:v1")
        names = self.files_of(self.directory / "a.tar")
        self.assertEqual(names, {"app/" + name for name in [*kept, "Dockerfile"]})

    def files_of(self, archive):
        """The names of all files in the layers of an archive."""
        with tarfile.open(archive) as outer:
            [image] = json.load(outer.extractfile("manifest.json"))
            names = set()
            for layer in image["Layers"]:
                with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                    names |= {one.name for one in inner if one.isfile()}
            return names

    def test_builds_that_fail(self):
        """E49 with the daemon's reason; a folder without a Dockerfile is not even sent."""
        failing = self.folder("failing", {"Dockerfile": "FROM scratch\nCOPY missing /\n"})
        errors = self.refuses("E49", "fails:v1", "missing", "no such file",
                              options=["--docker-dir", str(failing)])
        self.assertIn("STEP 2/2: COPY missing /", errors)
        empty = self.folder("empty", {"file": ""})
        self.refuses("E49", "fails:v1", f"expected a readable file named Dockerfile in {empty}",
                     options=["--docker-dir", str(empty)])
        self.refuses("E49", "fails:v1", "/no/folder", options=["--docker-dir", "/no/folder"])
        bad = self.folder("bad", {"Dockerfile": "FROM scratch\n", ".dockerignore": "a\n[b\n"})
        self.refuses("E49", "fails:v1", "line 2 of .dockerignore, found '[' without ']'",
                     options=["--docker-dir", str(bad)])
        self.refuses("E49", "oci:x", "Expected a NAME", options=["--docker-dir", str(bad)])

    def test_an_image_that_nobody_has(self):
        """The daemon is asked to pull it, and its reason is E50's."""
        errors = self.refuses("E50", "localhost:1/nobody/has:this", "pull localhost:1/nobody/has:this",
                              "connection refused")
        self.assertIn(f"Pulling localhost:1/nobody/has:this with the Docker API at {self.socket}...",
                      errors)

    def test_another_architecture(self):
        """Is refused with what to do, before anything is exported."""
        folder = self.folder("arm", {"Dockerfile": "FROM scratch\nCOPY run /\nCMD [\"/run\"]\n",
                                     "run": ""})
        self.service.podman("build", "--platform", "linux/arm64", "--tag",
                            "docker.io/library/arm:v1", str(folder))
        self.refuses("E50", "arm:v1", "for linux/amd64, which is the kernel's, found it for linux/arm64",
                     "--platform linux/amd64")

    def test_by_tcp(self):
        """DOCKER_HOST=tcp://, on loopback."""
        with tempfile.TemporaryDirectory(prefix="casemate-podman.",
                                         ignore_cleanup_errors=True) as where:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            service = Service(where, f"tcp://127.0.0.1:{port}")
            self.addCleanup(service.end)

            def listens():
                with socket.socket() as one:
                    return one.connect_ex(("127.0.0.1", port)) == 0
            harness.eventually(listens, "Podman's port")
            self.environment["DOCKER_HOST"] = f"tcp://localhost:{port}"
            built = self.build_app("tcp:v1")
            self.assertEqual(self.measurements("tcp:v1"), built)

    def test_a_daemon_that_is_killed(self):
        """While it is asked, or before: an error, and nothing is left."""
        with tempfile.TemporaryDirectory(prefix="casemate-podman.",
                                         ignore_cleanup_errors=True) as where:
            service = Service(where, f"unix://{where}/podman.sock")
            self.addCleanup(service.end, signal.SIGKILL)
            harness.eventually(pathlib.Path(where, "podman.sock").exists, "Podman's socket")
            os.kill(service.process.pid, signal.SIGSTOP)
            self.environment["DOCKER_HOST"] = f"unix://{where}/podman.sock"
            with self.start("app:v1") as process:
                os.kill(service.process.pid, signal.SIGKILL)
                out, errors = process.communicate(timeout=harness.SECONDS)
            self.assertEqual((process.returncode, out), (50, ""), errors)
            self.assertIn("expected a Docker daemon where DOCKER_HOST says, found none", errors)
            self.refuses("E50", "app:v1", "Connection refused")
        self.assertEqual(self.left_behind(), [])


class Builders(harness.DaemonTest):
    """Dockerfiles without a daemon."""

    def setUp(self):
        super().setUp()
        (self.directory / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{self.directory}/graph"\n'
            f'runroot = "{self.directory}/runroot"\n')
        # A path with one builder at most.
        self.path = self.directory / "path"
        self.path.mkdir()
        self.environment.update(CONTAINERS_STORAGE_CONF=str(self.directory / "storage.conf"),
                                BUILDAH_ISOLATION="chroot", PATH=str(self.path))
        if any(os.path.exists(one) for one in ("/var/run/docker.sock", "/run/podman/podman.sock")):
            self.skipTest("a Docker daemon answers on this machine")

    def builder(self, name):
        found = shutil.which(name)
        if found is None:
            self.skipTest(f"there is no {name}")
        (self.path / name).symlink_to(found)
        return self.path / name

    def test_each(self):
        """Both build the same; the image stays in their storage; the next build finds it there."""
        folder = self.folder("context", {"Dockerfile": SCRATCH, "run": "r", "sub/x": "y"})
        results = []
        for name in ("podman", "buildah"):
            program = self.builder(name)
            results.append(self.measurements(
                "app:v1", "--docker-dir", str(folder), says=[f"Building app:v1 with {program}..."]))
            self.assertEqual([one for one in self.left_behind() if one[0] != str(self.output)], [])
            described = self.describe()
            self.assertEqual(described["Metadata"]["DockerInfo"]["RepoTags"], ["app:v1"])
        self.assertEqual(results[0], results[1])
        self.assertEqual(self.describe()["ImageName"], "app")

    def test_a_build_that_fails(self):
        self.builder("buildah")
        folder = self.folder("context", {"Dockerfile": "FROM scratch\nCOPY missing /\n"})
        self.refuses("E49", "app:v1", "missing", "exit status 125; its output is above",
                     options=["--docker-dir", str(folder)])
        (folder / "Dockerfile").unlink()
        for none in (str(folder), "/no/folder", ""):
            self.refuses("E49", "app:v1", f"file named Dockerfile in {none}, found none",
                         options=["--docker-dir", none])

    def test_nobody_to_build(self):
        """What was tried and what to do is said."""
        folder = self.folder("context", {"Dockerfile": SCRATCH})
        self.refuses("E49", "app:v1", "unix:///var/run/docker.sock: No such file or directory",
                     "neither program in PATH", "or install buildah",
                     options=["--docker-dir", str(folder)])
        self.refuses("E50", "docker-daemon:app:v1", "unix:///var/run/docker.sock: No such file",
                     "DOCKER_HOST")

    def test_a_name_without_daemon_is_the_registrys(self):
        errors = self.refuses("E50", "localhost:1/app:v1", "No Docker daemon answers")
        self.assertIn("Pulling localhost:1/app:v1 from its registry, as no Docker daemon answers...",
                      errors)

    def test_interrupted(self):
        """SIGINT in a step ends the builder and the step, and leaves nothing."""
        self.builder("buildah")
        shell = self.folder("shell", {"Dockerfile": 'FROM scratch\nCOPY . /\nRUN echo begun; '
                                                    'while :; do read x < /fifo; done\n'})
        for one in ("/bin/dash", *LIBRARIES):
            target = shell / one[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(one), target)
        (shell / "bin/dash").rename(shell / "bin/sh")
        subprocess.run(["mkfifo", str(shell / "fifo")], check=True)
        with self.start("app:v1", "--docker-dir", str(shell)) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line == "begun\n":
                    break
            self.assertIn("begun\n", lines)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=harness.SECONDS)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertEqual(list(self.output.parent.iterdir()), [])
        marker = str(self.directory).encode()

        def nobody():
            for one in pathlib.Path("/proc").glob("[0-9]*/environ"):
                try:
                    if marker in one.read_bytes():
                        return False
                except OSError:
                    continue
            return True
        harness.eventually(nobody, "no process of the build is left")


if __name__ == "__main__":
    unittest.main()
