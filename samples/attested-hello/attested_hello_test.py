"""Tests of the enclave's program and of its client: with a security module and a verifier made up, and the
real RSA of both."""

import base64
import contextlib
import hmac
import io
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "enclave"), os.path.join(HERE, "../../src/guest/python")]

import attested_hello  # noqa: E402
import client  # noqa: E402
from casemate_nsm import NsmError  # noqa: E402

SECRET = bytes(range(32))


def fake_attest(nonce, public_key):
    """What only looks like a document; the made-up verifier below reads it."""
    return json.dumps({"nonce": nonce.hex(),
                       "key": base64.b64encode(public_key).decode()}).encode()


GREETER = attested_hello.Greeter(fake_attest)

# Takes the place of `casemate verify`, for the client's side of its interface.
VERIFIER = """#!/usr/bin/python3
import base64, json, sys
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert sys.argv[1] == "verify" and arguments["--document"] == "-", sys.argv
assert arguments["--output"] == "json" and int(arguments["--max-age"]) <= 60, sys.argv
assert "--allow-debug" not in sys.argv
with open(arguments["--eif"]) as file:
    if file.read() != "the image":
        print(json.dumps({"Verified": False, "Error": "pcr_mismatch", "Message": "PCR0: expected …"}))
        sys.exit(1)
document = json.loads(base64.b64decode(sys.stdin.read()))
if document["nonce"] != arguments["--nonce"]:
    print(json.dumps({"Verified": False, "Error": "nonce_mismatch", "Message": "nonce: expected …"}))
    sys.exit(1)
print(json.dumps({"Verified": True, "PublicKey": document["key"]}))
"""


def seal(plain, greeter=GREETER):
    return client.seal(greeter.public_key, plain)


class AnswerTo(unittest.TestCase):

    def ask(self, request):
        return GREETER.answer_to(json.dumps(request).encode())

    def test_a_nonce_is_answered_with_a_document(self):
        answer = self.ask({"nonce": "00ff"})
        self.assertEqual(list(answer), ["document"])
        document = json.loads(base64.b64decode(answer["document"]))
        self.assertEqual(document["nonce"], "00ff")
        self.assertEqual(base64.b64decode(document["key"]), GREETER.public_key)

    def test_what_is_sealed_is_counted_and_proven(self):
        answer = self.ask({"sealed": seal(SECRET + "a schöner Tag".encode())})
        self.assertEqual(answer["hello"],
                         "Hello! Received 13 characters that nobody else could read.")
        self.assertEqual(answer["proof"],
                         hmac.new(SECRET, answer["hello"].encode(), "sha256").hexdigest())
        self.assertNotIn("Tag", json.dumps(answer))

    def test_the_longest_message(self):
        self.assertEqual(client.MAX_MESSAGE, 158)
        answer = self.ask({"sealed": seal(SECRET + b"x" * client.MAX_MESSAGE)})
        self.assertIn("158 characters", answer["hello"])
        with self.assertRaises(client.Refused):
            seal(SECRET + b"x" * (client.MAX_MESSAGE + 1))

    def test_what_can_not_be_opened_has_one_answer(self):
        other = attested_hello.Greeter(fake_attest)
        good = base64.b64decode(seal(SECRET + b"hello"))
        changed = base64.b64encode(good[:-1] + bytes([good[-1] ^ 1])).decode()
        for sealed in (seal(SECRET + b"hello", other), changed, seal(SECRET[:31]),
                       seal(SECRET + b"\xff"), "", "AAAA", "no base64!"):
            self.assertEqual(self.ask({"sealed": sealed}), {
                "error": "expected what was encrypted to this enclave's key, found something else"})

    def test_what_is_no_request_is_an_error_that_says_nothing_of_it(self):
        requests = {
            b"": "a JSON object",
            b'{"sealed": "secret"': "a JSON object",
            b"\xff{}": "a JSON object",
            b"[" * 5000: "a JSON object",
            b"{}": "nonce or sealed",
            b'["secret"]': "nonce or sealed",
            b'{"nonce": 7}': "nonce or sealed",
            b'{"nonce": "secret"}': "hexadecimal",
            b'{"nonce": ""}': "1 to 1024 bytes, found 0",
            b'{"nonce": "' + b"00" * 1025 + b'"}': "1 to 1024 bytes, found 1025",
            b'{"sealed": "secret", "sealed": ""}': "once",
        }
        for request, expected in requests.items():
            answer = GREETER.answer_to(request)
            self.assertEqual(list(answer), ["error"], request)
            self.assertIn(expected, answer["error"])
            self.assertNotIn("secret", answer["error"])

    def test_a_security_module_that_refuses(self):
        def refuse(**_):
            raise NsmError("InternalError", "broken")

        for problem in (refuse, lambda **_: os.open("/nonexistent", os.O_RDONLY)):
            greeter = attested_hello.Greeter(problem)
            answer = greeter.answer_to(b'{"nonce": "00"}')
            self.assertIn("expected a document of the security module", answer["error"])


class ServeClient(unittest.TestCase):

    def exchange(self, *pieces):
        near, far = socket.socketpair()
        log = io.StringIO()

        def serve():
            with contextlib.redirect_stdout(log):
                attested_hello.serve_client(far, "client", GREETER)

        thread = threading.Thread(target=serve)
        thread.start()
        with near:
            for piece in pieces:
                near.sendall(piece)
            near.shutdown(socket.SHUT_WR)
            answers = near.makefile("rb").read().splitlines()
        thread.join()
        return [json.loads(answer) for answer in answers], log.getvalue()

    def test_lines_in_any_pieces_are_answered_in_order(self):
        answers, log = self.exchange(b'{"nonce"', b': "01"}\n{"nonce": "0', b'2"}\n{}\n')
        self.assertEqual([list(answer) for answer in answers], [["document"], ["document"], ["error"]])
        self.assertEqual(log.count("attested-hello: client: document"), 2)

    def test_a_line_without_its_newline(self):
        answers, _ = self.exchange(b'{"nonce": "01"}')
        self.assertIn("a newline", answers[0]["error"])

    def test_a_line_that_never_ends(self):
        answers, _ = self.exchange(b"x" * (attested_hello.MAX_LINE + 1))
        self.assertIn("found a longer one", answers[0]["error"])

    def test_the_log_holds_nothing_of_the_message(self):
        request = json.dumps({"sealed": seal(SECRET + b"my secret")}).encode() + b"\n"
        answers, log = self.exchange(request)
        self.assertIn("9 characters", answers[0]["hello"])
        self.assertEqual(log, "attested-hello: client: hello\n")

    def test_a_client_that_waits_runs_out_of_time(self):
        near, far = socket.socketpair()
        with near, far:
            near.sendall(b"{")
            with self.assertRaisesRegex(attested_hello.BadRequest, "found none"):
                list(attested_hello.read_lines(far, seconds=0))


class Enclave(threading.Thread):
    """One enclave's socket, with the real program behind it; change() may alter each answer."""

    def __init__(self, path, change=None):
        super().__init__()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen()
        self.change = change or (lambda answer: answer)
        self.requests = []

    def run(self):
        with self.listener:
            stream, _ = self.listener.accept()
        with stream, stream.makefile("rb") as lines:
            assert lines.readline() == b"CONNECT 5000\n"
            stream.sendall(b"OK 1073741824\n")
            for line in lines:
                self.requests.append(json.loads(line))
                answer = self.change(GREETER.answer_to(line))
                stream.sendall(json.dumps(answer).encode() + b"\n")


class Client(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "cid").mkdir()
        self.image = self.directory / "image.eif"
        self.image.write_text("the image")
        self.verifier = self.directory / "casemate"
        self.verifier.write_text(VERIFIER)
        self.verifier.chmod(0o755)
        before = os.environ.get("CASEMATE_RUNTIME_DIR")
        os.environ["CASEMATE_RUNTIME_DIR"] = directory.name

        def restore():
            del os.environ["CASEMATE_RUNTIME_DIR"]
            if before is not None:
                os.environ["CASEMATE_RUNTIME_DIR"] = before

        self.addCleanup(restore)

    def run_client(self, *arguments, change=None):
        """Gives exit status, standard output, standard error and the requests that were sent."""
        enclave = Enclave(str(self.directory / "cid/16"), change)
        enclave.start()
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = client.main(["--cid", "16", "--eif", str(self.image), "--root", "root.pem",
                                  "--casemate", str(self.verifier), *arguments, "my secret"])
        enclave.join()
        return status, output.getvalue(), errors.getvalue(), enclave.requests

    def assert_nothing_said(self, found, why):
        status, output, errors, requests = found
        self.assertEqual((status, output), (1, ""), errors)
        self.assertIn(why, errors)
        self.assertEqual([list(request) for request in requests], [["nonce"]])

    def test_says_hello(self):
        document = self.directory / "document"
        status, output, errors, requests = self.run_client("--save-document", str(document))
        self.assertEqual((status, output),
                         (0, "Hello! Received 9 characters that nobody else could read.\n"), errors)
        self.assertEqual([list(request) for request in requests], [["nonce"], ["sealed"]])
        self.assertEqual(len(requests[0]["nonce"]), 64)
        self.assertIn(requests[0]["nonce"], base64.b64decode(document.read_text()).decode())

    def test_another_image(self):
        self.image.write_text("another image")
        self.assert_nothing_said(self.run_client(), "pcr_mismatch: PCR0: expected …. Nothing was sent.")

    def test_a_document_that_was_made_for_somebody_else(self):
        old = GREETER.document("00" * 32)
        self.assert_nothing_said(self.run_client(change=lambda _: old), "nonce_mismatch")

    def test_a_key_in_the_middle_is_not_in_the_document(self):
        """Whoever relays the stream may name another key beside the document: it is passed over."""
        def add_key(answer):
            return {**answer, "public_key": "AAAA"}

        status, _, errors, _ = self.run_client(change=add_key)
        self.assertEqual(status, 0, errors)

    def test_a_greeting_of_somebody_who_could_not_open_it(self):
        def forge(answer):
            if "proof" in answer:
                return {"hello": "Hello! Received everything.", "proof": answer["proof"]}
            return answer

        for change in (forge, lambda answer: {**answer, "proof": None},
                       lambda answer: {**answer, "proof": "zz"}):
            (self.directory / "cid/16").unlink(missing_ok=True)
            status, output, errors, _ = self.run_client(change=change)
            self.assertEqual((status, output), (1, ""), errors)
            self.assertIn("somebody else's", errors)

    def test_an_error_of_the_enclave(self):
        self.assert_nothing_said(self.run_client(change=lambda _: {"error": "no\33"}),
                                 "the enclave says: 'no\\x1b'")

    def test_an_answer_without_a_document(self):
        self.assert_nothing_said(self.run_client(change=lambda _: {}), "a string document")

    def test_an_answer_that_is_none(self):
        status, _, errors, _ = self.run_client(change=lambda _: [])
        self.assertEqual(status, 2)
        self.assertIn("expected a JSON object as the answer", errors)

    def test_a_verifier_without_a_verdict(self):
        for text, expected in (("#!/bin/sh\necho broken >&2; exit 0\n", "found status 0: broken"),
                               ("#!/bin/sh\necho '{\"Verified\": true}'; exit 3\n", "status 3"),
                               ("#!/bin/sh\necho '{\"Verified\": false}'; exit 0\n", "status 0")):
            (self.directory / "cid/16").unlink(missing_ok=True)
            self.verifier.write_text(text)
            status, output, errors, requests = self.run_client()
            self.assertEqual((status, output), (2, ""))
            self.assertIn(expected, errors)
            self.assertEqual(len(requests), 1)

    def test_no_verifier(self):
        self.verifier.unlink()
        status, _, errors, requests = self.run_client()
        self.assertEqual((status, len(requests)), (2, 1))
        self.assertIn("expected the program", errors)

    def test_a_message_that_is_too_long(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            with self.assertRaises(SystemExit):
                client.main(["--cid", "16", "--eif", "e", "--root", "r", "x" * 159])
        self.assertIn("up to 158 bytes, found 159", errors.getvalue())

    def test_no_enclave(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            status = client.main(["--cid", "16", "--wait", "0", "--eif", "e", "--root", "r",
                                  "hello"])
        self.assertEqual(status, 2)
        self.assertIn("expected an enclave's socket", errors.getvalue())


if __name__ == "__main__":
    unittest.main()
