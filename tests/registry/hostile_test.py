"""A registry that breaks off, lies, redirects or never ends: casemate goes on where that is right and
refuses with a sentence where it is not. No test measures time."""

import gzip
import json
import os
import pathlib
import re
import signal
import tempfile
import time

import images
from harness import PullTest, SECONDS
from peers import Authority, PASSWORD, Server, USER

ENDLESS = 1 << 30


class Registry(Server):
    """Serves what is in a store; `rules` are asked first: one that gives True has answered."""

    def __init__(self, store, top, **options):
        self.store = store
        self.tags = {"v1": top["digest"]}
        self.rules = []
        super().__init__(self.serve, **options)

    def serve(self, request):
        if any(rule(request) for rule in self.rules):
            return
        found = re.fullmatch(r"/v2/app/(manifests|blobs)/([^?]+)", request.path)
        name = found and self.tags.get(found[2], found[2])
        if request.path == "/v2/":
            request.send(200)
        elif not found or name not in self.store.blobs:
            request.send(404)
        else:
            self.give(request, name)

    def give(self, request, name, ranges=True, **headers):
        data = self.store.blobs[name]
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        headers = {"Content_Type": self.store.types[name], **headers}
        if wanted and ranges:
            start = int(wanted[1])
            request.send(206, data[start:], **headers,
                         Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send(200, data, **headers)

    def asked(self, text):
        """The headers of the requests for paths with that text in them."""
        return [headers for _, path, headers in self.requests if text in path]


class Hostile(PullTest):

    def setUp(self):
        super().setUp()
        self.store = images.Store()
        self.layers = [images.layer({"app": b"#!/app\n", "data": os.urandom(300000)}),
                       images.layer({"more": b"more"})]
        self.top = self.store.image(self.layers)
        self.manifest = json.loads(self.store.blobs[self.top["digest"]])
        self.big = self.manifest["layers"][0]["digest"]

    def registry(self, *rules, top=None, **options):
        served = Registry(self.store, top or self.top, **options)
        served.rules = list(rules)
        self.addCleanup(served.close)
        return served

    def uri(self, served):
        return f"docker://{served.host}/app:v1"

    def expected(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-layout.", dir=self.directory)
        self.addCleanup(directory.cleanup)
        layout = self.store.write(pathlib.Path(directory.name) / "layout", v1=self.top)
        return self.pulls(f"oci:{layout}:v1")

    def breaks_off(self, times, ranges=True, at=100000):
        """A rule: the big layer ends too early, so many times."""
        def rule(request):
            nonlocal times
            if self.big not in request.path:
                return False
            data = self.store.blobs[self.big]
            wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
            start = int(wanted[1]) if wanted and ranges else 0
            if times == 0:
                return False if ranges else self.give_whole(request)
            times -= 1
            request.send(206 if start else 200, data[start:start + at],
                         Content_Length=str(len(data) - start),
                         **({"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
                            if start else {}))
            request.close_connection = True
            return True
        return rule

    def give_whole(self, request):
        request.send(200, self.store.blobs[self.big])
        return True

    # What goes on.

    def test_a_blob_that_breaks_off_is_asked_for_from_there(self):
        served = self.registry(self.breaks_off(2))
        self.assertEqual(self.pulls(self.uri(served)), self.expected())
        self.assertEqual([one.get("Range") for one in served.asked(self.big)],
                         [None, "bytes=100000-", "bytes=200000-"])

    def test_a_server_without_ranges_is_asked_for_all_of_it(self):
        served = self.registry(self.breaks_off(1, ranges=False))
        self.assertEqual(self.pulls(self.uri(served)), self.expected())
        self.assertEqual([one.get("Range") for one in served.asked(self.big)],
                         [None, "bytes=100000-", None])

    def test_a_range_that_is_not_the_one_asked_for_is_not_used(self):
        def rule(request):
            if self.big not in request.path or "Range" not in request.headers:
                return False
            data = self.store.blobs[self.big]
            request.send(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}")
            return True
        served = self.registry(rule, self.breaks_off(1))
        self.assertEqual(self.pulls(self.uri(served)), self.expected())

    def test_it_is_not_tried_for_ever(self):
        served = self.registry(self.breaks_off(100, at=10))
        self.refuses(self.uri(served), f"read blob {self.big} of {served.url}")
        self.assertEqual(len(served.asked(self.big)), 4)

    def test_a_busy_registry_is_asked_again(self):
        answers = [(429, {"Retry_After": "0"}), (503, {})]
        def rule(request):
            if "/manifests/" not in request.path or not answers:
                return False
            status, headers = answers.pop(0)
            request.send(status, **headers)
            return True
        self.pulls(self.uri(self.registry(rule)))
        self.assertEqual(answers, [])

    def test_one_that_asks_for_an_hour_is_not_waited_for(self):
        def rule(request):
            body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
            request.send(429, body, Retry_After="3600")
            return True
        served = self.registry(lambda request: request.path != "/v2/" and rule(request))
        self.refuses(self.uri(served), "found status 429 (TOOMANYREQUESTS: slow down): too many "
                     "requests; it asks to wait 3600 s")
        self.assertEqual(len(served.asked("manifests")), 1)

    def test_blobs_may_be_elsewhere_where_the_password_is_not_sent(self):
        elsewhere = self.registry()
        def rule(request):
            if request.path == "/v2/" or request.headers.get("Authorization"):
                if "/blobs/" not in request.path:
                    return False
                request.send(307, Location=elsewhere.url + request.path + "?signature=x")
                return True
            request.send(401, WWW_Authenticate='Basic realm="test"')
            return True
        elsewhere.rules = [lambda request: setattr(request, "path", request.path.split("?")[0])]
        served = self.registry(rule)
        self.log_in(served.host, USER, PASSWORD)
        self.assertEqual(self.pulls(self.uri(served)), self.expected())
        self.assertEqual(len(elsewhere.requests), 3)
        for _, _, headers in elsewhere.requests:
            self.assertNotIn("Authorization", headers)

    def test_a_layer_that_is_there_twice_is_fetched_once(self):
        self.top = self.store.image([self.layers[1], self.layers[0], self.layers[1]])
        small = json.loads(self.store.blobs[self.top["digest"]])["layers"][0]["digest"]
        served = self.registry()
        self.assertEqual(self.pulls(self.uri(served)), self.expected())
        self.assertEqual(len(served.asked(small)), 1)

    def test_an_image_is_fetched_where_no_thread_can_be_had(self):
        """Threads whose stacks don't fit into the address space can't be started."""
        expected = self.expected()
        self.runner = ("prlimit", f"--stack={1 << 46}:")
        self.assertEqual(self.pulls(self.uri(self.registry())), expected)

    # What is refused.

    def test_other_bytes_are_refused(self):
        data = self.store.blobs[self.big]
        self.store.blobs[self.big] = data[:-1] + bytes([data[-1] ^ 1])
        self.refuses(self.uri(self.registry()), "corrupt image: expected a blob with the digest "
                     f"{self.big}, found sha256:")

    def test_fewer_and_more_bytes_are_refused(self):
        data = self.store.blobs[self.big]
        self.store.blobs[self.big] = data[:-1]
        self.refuses(self.uri(self.registry()), f"corrupt image: expected {len(data)} bytes in blob "
                     f"{self.big}, found {len(data) - 1}")
        self.store.blobs[self.big] = data + b"x"
        self.refuses(self.uri(self.registry()), f"expected {len(data)} bytes in blob {self.big}, "
                     "found more")

    def endless(self, path, media_type=images.MANIFEST):
        def rule(request):
            if path not in request.path:
                return False
            request.send(200, Transfer_Encoding="chunked", Content_Type=media_type)
            sent = 0
            while sent < ENDLESS:
                request.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
            raise AssertionError("nobody hung up")
        return rule

    def test_bodies_without_end_are_hung_up_on(self):
        self.refuses(self.uri(self.registry(self.endless("manifests"))),
                     "expected a manifest of at most 4194304 bytes, found more")
        self.refuses(self.uri(self.registry(self.endless(self.big))), "found more")
        config = self.manifest["config"]["digest"]
        self.refuses(self.uri(self.registry(self.endless(config))), "found more")

    def test_headers_without_end_are_hung_up_on(self):
        def rule(request):
            request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100000)
            return True
        self.refuses(self.uri(self.registry(lambda one: one.path != "/v2/" and rule(one))),
                     "bytes of headers, found more")

    def test_what_is_no_http_is_refused(self):
        def rule(request):
            request.wfile.write(b"220 mail.example ESMTP\r\n" * 10)
            request.close_connection = True
            return True
        self.refuses(self.uri(self.registry(lambda one: one.path != "/v2/" and rule(one))),
                     "expected a response, found ")

    def test_a_manifest_is_what_its_digest_says(self):
        def lie(request):
            if "/manifests/" not in request.path:
                return False
            served.give(request, self.top["digest"], Docker_Content_Digest="sha256:" + "0" * 64)
            return True
        served = self.registry(lie)
        self.refuses(self.uri(served), "expected a manifest with the digest sha256:" + "0" * 64 +
                     f", which its Docker-Content-Digest says, found {self.top['digest']}")
        other = self.store.image([self.layers[1]])["digest"]
        served = self.registry()
        served.tags[other] = self.top["digest"]
        self.refuses(f"docker://{served.host}/app@{other}",
                     f"expected a manifest with the digest {other}, found {self.top['digest']}")

    def test_a_manifest_has_one_type(self):
        def rule(media_type):
            def give(request):
                if "/manifests/" not in request.path:
                    return False
                request.send(200, self.store.blobs[self.top["digest"]], Content_Type=media_type)
                return True
            return give
        self.refuses(self.uri(self.registry(rule(images.INDEX))), "expected the media type "
                     f"'{images.INDEX}' in the manifest, found '{images.MANIFEST}'")
        self.pulls(self.uri(self.registry(rule("application/json"))))

    def test_schema_1_is_refused(self):
        top = self.store.add({"schemaVersion": 1, "fsLayers": []},
                             "application/vnd.docker.distribution.manifest.v1+prettyjws")
        self.refuses(self.uri(self.registry(top=top)), "found schema 1, which is not supported any "
                     "more: push the image again with a newer tool")

    def test_html_and_broken_json_are_refused(self):
        for text, kind in ((b"<html>", "text/html"), (b"{", images.MANIFEST),
                           (b"[" * 100000, images.MANIFEST), (b"{}", images.MANIFEST)):
            with self.subTest(text=text[:10]):
                self.refuses(self.uri(self.registry(top=self.store.add(text, kind))), "expected ")

    def test_an_index_without_end_is_refused(self):
        top = self.top
        for _ in range(8):
            top = self.store.index([(top, images.platform("amd64"))])
        self.refuses(self.uri(self.registry(top=top)),
                     "expected a manifest below at most 4 indexes, found more")

    def test_another_platform_is_refused(self):
        top = self.store.index([(self.store.image(self.layers, "arm64"), images.platform("arm64"))])
        self.refuses(self.uri(self.registry(top=top)),
                     "expected an image for linux/amd64, found linux/arm64")

    def test_what_would_not_fit_is_refused_before_it_is_fetched(self):
        def manifest(**changes):
            return self.store.add({**self.manifest, **changes}, images.MANIFEST)
        layer = self.manifest["layers"][0]
        config = json.loads(self.store.blobs[self.manifest["config"]["digest"]])
        def configured(count):
            digests = {"type": "layers", "diff_ids": [images.digest(b"")] * count}
            return self.store.add({**config, "rootfs": digests}, images.CONFIG)
        huge = dict(layer, size=1 << 62)
        served = self.registry(top=manifest(layers=[huge, huge, huge, huge], config=configured(4)))
        self.refuses(self.uri(served), "image too large: expected layers of at most ")
        self.assertEqual(served.asked(self.big), [])
        served = self.registry(top=manifest(layers=[layer] * 1001, config=configured(1001)))
        self.refuses(self.uri(served), "expected at most 1000 layers, found 1001")
        served = self.registry(top=manifest(config=dict(self.manifest["config"], size=1 << 40)))
        self.refuses(self.uri(served), "found one of 1099511627776 bytes")

    def test_a_blob_that_is_not_there_is_told(self):
        del self.store.blobs[self.big]
        self.refuses(self.uri(self.registry()), f"expected the blob {self.big} in http://",
                     "found status 404")

    def test_redirects_come_to_an_end(self):
        def loop(request):
            if "/blobs/" not in request.path:
                return False
            request.send(302, Location=request.path)
            return True
        served = self.registry(loop)
        self.refuses(self.uri(served), "expected at most 8 redirects of ", ", found more")
        for location in ("ftp://127.0.0.1/", "https://user@127.0.0.1/", "x", "http://[::1"):
            with self.subTest(location=location):
                def odd(request, location=location):
                    if "/blobs/" not in request.path:
                        return False
                    request.send(302, Location=location)
                    return True
                self.refuses(self.uri(self.registry(odd)), "a redirect of http://", "expected a ")
        self.refuses(self.uri(self.registry(
            lambda one: "/blobs/" in one.path and one.send(302) is None)), "expected a Location")

    def test_tls_is_not_left(self):
        authority = Authority(self.directory)
        self.environment["SSL_CERT_FILE"] = str(authority.ca)
        plain = self.registry()
        def away(request):
            if "/blobs/" not in request.path:
                return False
            request.send(307, Location=plain.url + request.path)
            return True
        served = self.registry(away, authority=authority)
        self.refuses(self.uri(served),
                     f"expected {served.url} to redirect to https, found {plain.url}")
        self.assertEqual(plain.requests, [])
        def ask(request):
            request.send(401, WWW_Authenticate=f'Bearer realm="{plain.url}/token"')
            return True
        self.log_in(f"{served.host}", USER, PASSWORD)
        served.rules = [ask]
        self.refuses(self.uri(served), f"expected {served.host} to name a token server with https, "
                     f"found {plain.url}/token")
        self.assertEqual(plain.requests, [])

    def test_odd_challenges_are_refused_and_not_answered_for_ever(self):
        for challenge in ("", "Negotiate", "Bearer", 'Bearer realm="file:///etc/passwd"',
                          'Bearer realm="http://192.0.2.1/token"', "Basic x=", '\x01'):
            with self.subTest(challenge=challenge):
                def ask(request, challenge=challenge):
                    if request.path != "/v2/":
                        request.send(401, WWW_Authenticate=challenge)
                    return request.path != "/v2/"
                self.refuses(self.uri(self.registry(ask)), "expected ")
        def basic_for_ever(request):
            request.send(401, WWW_Authenticate='Basic realm="x"')
            return True
        served = self.registry(basic_for_ever)
        self.log_in(served.host, USER, PASSWORD)
        errors = self.refuses(self.uri(served), "access refused")
        self.assertNotIn(PASSWORD, errors)
        self.assertEqual(len(served.asked("manifests")), 2)

    def test_odd_tokens_are_refused(self):
        for text in (b"", b"{", b'{"token": ""}', b'{"token": "a\\r\\nHost: b"}', b" " * (2 << 20)):
            with self.subTest(text=text[:20]):
                def answer(request, text=text):
                    if request.path.startswith("/token"):
                        request.send(200, text)
                        return True
                    if request.path != "/v2/":
                        request.send(401, WWW_Authenticate=f'Bearer realm="{served.url}/token"')
                        return True
                    return False
                served = self.registry(answer)
                self.refuses(self.uri(served), "expected ")

    # What is interrupted.

    def test_an_interrupted_pull_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number):
                def stall(request):
                    if self.big not in request.path:
                        return False
                    data = self.store.blobs[self.big]
                    request.send(200, data[:1000], Content_Length=str(len(data)))
                    served.stop.wait(SECONDS)
                    return True
                served = self.registry(stall)
                process = self.start(self.uri(served))
                with process:
                    deadline = time.monotonic() + SECONDS
                    while not served.asked(self.big) and time.monotonic() < deadline:
                        time.sleep(0.02)
                    process.send_signal(number)
                    out, _ = process.communicate(timeout=SECONDS)
                served.close()
                self.assertEqual((process.returncode, out), (-number, ""))
                self.assertEqual(self.left_behind(), [])
