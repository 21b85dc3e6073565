"""Pulling from Debian's docker-registry: every kind of authentication, TLS, tags, digests and
platforms. What is measured is the same as from the OCI layout that was pushed."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import images
from harness import PullTest, auths
from peers import Authority, DockerRegistry, PASSWORD, Proxy, TokenServer, USER

SKOPEO = shutil.which("skopeo")


class Pull(PullTest):
    """One storage, pushed to once, served by registries with different doors."""

    @classmethod
    def setUpClass(cls):
        for name, program in (("docker-registry", DockerRegistry.PROGRAM), ("skopeo", SKOPEO)):
            if program is None:
                raise unittest.SkipTest(f"SKIPPED: {name} is not installed (tools/packages.sh)")
        directory = tempfile.TemporaryDirectory(prefix="casemate-registry.")
        cls.addClassCleanup(directory.cleanup)
        cls.shared = pathlib.Path(directory.name)
        cls.authority = Authority(cls.shared)
        store = images.Store()
        base = images.layer({"app": b"#!/app\n", "data": os.urandom(3 << 20)})
        one = [base] + [images.layer({f"file {number}": bytes([number]) * 1000})
                        for number in range(9)]
        tags = {"v1": store.image(one), "plain": store.image([base], compress=False)}
        tags["many"] = store.index([
            (store.image([base, images.layer({"newest": b"x"})]), images.platform("amd64", "v3")),
            (store.image([base], "arm64"), images.platform("arm64", "v8")),
            (store.image([base, one[1]]), images.platform("amd64"))])
        cls.layout = store.write(cls.shared / "layout", **tags)
        cls.plain = cls.serve()
        # pushed: {tag: (tag of the layout, digest in the registry)}.
        cls.pushed = {}
        for tag in tags:
            cls.push(tag, tag, "--preserve-digests")
            cls.push(tag, f"docker-{tag}", "--format", "v2s2")

    @classmethod
    def push(cls, tag, as_tag, *options):
        digest = cls.shared / "digest"
        subprocess.run([SKOPEO, "--insecure-policy", "copy", "--quiet", "--all",
                        "--dest-tls-verify=false", "--digestfile", digest, *options,
                        f"oci:{cls.layout}:{tag}", f"docker://{cls.plain.host}/team/app:{as_tag}"],
                       check=True, stdin=subprocess.DEVNULL, timeout=120)
        cls.pushed[as_tag] = tag, digest.read_text().strip()

    @classmethod
    def serve(cls, **options):
        served = DockerRegistry(cls.shared, cls.shared / "storage", **options)
        cls.addClassCleanup(served.close)
        return served

    def uri(self, registry, tag):
        return f"docker://{registry.host}/team/app:{tag}"

    def test_every_image_is_measured_as_the_layout_that_was_pushed(self):
        for tag, (layout_tag, digest) in self.pushed.items():
            with self.subTest(tag=tag):
                expected = self.pulls(f"oci:{self.layout}:{layout_tag}")
                self.assertEqual(self.pulls(self.uri(self.plain, tag)), expected)
                by_digest = f"docker://{self.plain.host}/team/app@{digest}"
                self.assertEqual(self.pulls(by_digest), expected)

    def test_a_registry_that_speaks_http_is_found_on_loopback_by_name_too(self):
        self.pulls(f"docker://localhost:{self.plain.host.split(':')[1]}/team/app:v1")

    def test_unknown_names_and_tags_are_told(self):
        self.refuses(self.uri(self.plain, "v2"), "no such image: expected the image "
                     f"{self.plain.host}/team/app:v2 in http://{self.plain.host}, found status 404 "
                     "(MANIFEST_UNKNOWN: manifest unknown); check the name and the tag")
        self.refuses(f"docker://{self.plain.host}/nobody:v1", "no such image: expected the image ",
                     "(MANIFEST_UNKNOWN: manifest unknown)")
        self.refuses(f"docker://{self.plain.host}/team/app@sha256:{'0' * 64}", "no such image")

    def test_a_password_opens_a_registry_and_is_never_shown(self):
        registry = self.serve(authentication="basic")
        uri = self.uri(registry, "v1")
        self.refuses(uri, f"access refused: expected {registry.host} to let everybody read "
                     f"{registry.host}/team/app, found status 401",
                     f"log in with `podman login {registry.host}`")
        self.log_in(registry.host, USER, "a:wrong-password")
        errors = self.refuses(uri, f"expected {registry.host} to let '{USER}' read ",
                              "log in again with `podman login` or `docker login`")
        self.assertNotIn("wrong-password", errors)
        self.log_in(registry.host, USER, PASSWORD)
        self.assertEqual(self.pulls(uri), self.pulls(f"oci:{self.layout}:v1"))
        # Podman's file serves as well.
        (self.home / ".docker/config.json").unlink()
        place = self.directory / "run/containers"
        place.mkdir(parents=True)
        (place / "auth.json").write_text(json.dumps(auths(registry.host, USER, PASSWORD)))
        self.pulls(uri)

    def test_credentials_come_from_a_helper(self):
        registry = self.serve(authentication="basic")
        programs = self.directory / "programs"
        programs.mkdir()
        helper = programs / "docker-credential-test"
        helper.write_text("#!/bin/sh\nread server\n[ $server = " + registry.host + " ] || exit 1\n"
                          f"""echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'\n""")
        helper.chmod(0o755)
        (self.home / ".docker").mkdir()
        (self.home / ".docker/config.json").write_text('{"credsStore": "test"}')
        self.refuses(self.uri(registry, "v1"), "expected credentials from docker-credential-test",
                     "found no such program in PATH")
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        self.pulls(self.uri(registry, "v1"))

    def test_tokens_open_a_registry(self):
        tokens = TokenServer(self.authority)
        self.addCleanup(tokens.close)
        registry = self.serve(authentication=tokens)
        uri = self.uri(registry, "v1")
        self.refuses(uri, f"access refused: expected {registry.host} to let everybody read ",
                     "found status 401 (UNAUTHORIZED: who is it?)")
        self.log_in(registry.host, USER, PASSWORD)
        self.assertEqual(self.pulls(uri), self.pulls(f"oci:{self.layout}:v1"))
        self.assertIn("scope=repository%3Ateam%2Fapp%3Apull", tokens.requests[-1][1])
        # A token that the registry finds too old is asked for again.
        before = len(tokens.requests)
        tokens.ages = [3600]
        self.pulls(uri)
        self.assertEqual(len(tokens.requests) - before, 2)
        # But not for ever.
        tokens.ages = [3600] * 100
        self.refuses(uri, f"expected {registry.host} to let '{USER}' read ", "found status 401")
        self.assertGreater(len(tokens.ages), 90)
        tokens.ages = []
        # An identity token is exchanged for one.
        (self.home / ".docker/config.json").write_text(
            json.dumps({"auths": {registry.host: {"identitytoken": PASSWORD}}}))
        self.pulls(uri)
        self.assertEqual(tokens.requests[-1][0], "POST")

    def test_some_registries_give_everybody_a_token(self):
        tokens = TokenServer(self.authority, anybody=True)
        self.addCleanup(tokens.close)
        self.pulls(self.uri(self.serve(authentication=tokens), "v1"))

    def test_tls_needs_an_authority_that_is_trusted(self):
        registry = self.serve(tls=self.authority)
        uri = self.uri(registry, "v1")
        place = f"/etc/docker/certs.d/{registry.host}/ca.crt"
        self.refuses(uri, "expected a TLS certificate of 127.0.0.1 from an authority that this "
                     f"machine trusts (more can be put into {place}, or into a file that "
                     "SSL_CERT_FILE names; a registry without TLS must be allowed by "
                     "--allow-insecure-registry), found: ")
        expected = self.pulls(f"oci:{self.layout}:v1")
        own = self.home / ".docker/certs.d" / registry.host
        own.mkdir(parents=True)
        shutil.copy(self.authority.ca, own)
        self.assertEqual(self.pulls(uri), expected)
        shutil.rmtree(own)
        self.environment["SSL_CERT_FILE"] = str(self.authority.ca)
        self.assertEqual(self.pulls(uri), expected)
        # Its name must be in the certificate.
        self.refuses(f"docker://127.0.0.2:{registry.host.split(':')[1]}/team/app:v1")

    def test_a_proxy_of_the_environment_is_used(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        registry = self.serve(tls=self.authority)
        # This machine itself is never spoken to through a proxy, but 0.0.0.0 is no address of it.
        uri = self.uri(registry, "v1").replace("127.0.0.1", "0.0.0.0")
        self.environment |= {"SSL_CERT_FILE": str(self.authority.ca),
                             "HTTPS_PROXY": f"http://{USER}:a%3Awrong@{proxy.host}"}
        errors = self.refuses(uri, "expected the proxy of HTTPS_PROXY to connect to 0.0.0.0:",
                              "found: HTTP/1.1 407 ")
        self.assertNotIn("wrong", errors)
        self.environment["HTTPS_PROXY"] = f"http://{USER}:{PASSWORD.replace(':', '%3A')}@{proxy.host}"
        self.assertEqual(self.pulls(uri), self.pulls(f"oci:{self.layout}:v1"))
        self.pulls(self.uri(registry, "v1"))
        self.assertEqual({path for _, path, _ in proxy.requests},
                         {registry.host.replace("127.0.0.1", "0.0.0.0")})
        before = len(proxy.requests)
        self.environment["NO_PROXY"] = "0.0.0.0/8"
        self.pulls(uri)
        self.assertEqual(len(proxy.requests), before)

    def test_what_is_not_this_machine_must_speak_tls(self):
        # 0.0.0.0 reaches this machine, but is not one of its own addresses.
        elsewhere = self.plain.host.replace("127.0.0.1", "0.0.0.0")
        self.refuses(f"docker://{elsewhere}/team/app:v1", "expected a TLS certificate of 0.0.0.0")
        self.pulls(f"docker://{elsewhere}/team/app:v1", "--allow-insecure-registry", elsewhere)

    def test_nobody_there_is_told(self):
        # Bound, and nobody listens.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.refuses(f"docker://127.0.0.1:{taken.getsockname()[1]}/app:v1",
                         "Connection refused")


if __name__ == "__main__":
    unittest.main()
