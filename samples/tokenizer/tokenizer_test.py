"""Tests of the tokenizer and its parent, over socket pairs and unix sockets."""

import contextlib
import hashlib
import io
import json
import os
import socket
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "enclave"), os.path.dirname(HERE)]

import enclave_stream  # noqa: E402
import parent  # noqa: E402
import tokenizer  # noqa: E402

CARD = "4111111111111111"


class AnswerTo(unittest.TestCase):
    def test_a_card_number_becomes_a_token(self):
        # The digest is coreutils' sha256sum of the number.
        self.assertEqual(
            tokenizer.answer_to(b'{"card_number": "4111111111111111"}'),
            {"token": "9bbef19476623ca5", "last_four": "1111", "status": "tokenized"})

    def test_lengths_from_12_to_19_are_card_numbers(self):
        for length in range(0, 25):
            answer = tokenizer.answer_to(json.dumps({"card_number": "7" * length}).encode())
            self.assertEqual("token" in answer, 12 <= length <= 19, length)

    def test_what_is_no_request_is_an_error_that_says_nothing_of_it(self):
        requests = {
            b"": "a JSON object",
            b"4111111111111111": "a JSON object",
            b'{"card_number": "4111111111111111"': "a JSON object",
            b'\xff{"card_number": "4111111111111111"}': "a JSON object",
            b"[" * 5000: "a JSON object",
            b"1" * 10000: "a JSON object",
            b'["4111111111111111"]': "a JSON object",
            b'{"number": "4111111111111111"}': "the member card_number",
            b'{"card_number": 4111111111111111}': "a string",
            b'{"card_number": "4111 1111 1111 1111"}': "12 to 19 digits",
            b'{"card_number": "411111111111111x"}': "12 to 19 digits",
            '{"card_number": "٤١١١١١١١١١١١١١١١"}'.encode(): "12 to 19 digits",
            b'{"card_number": "4111111111111111", "card_number": "4000000000000002"}': "once",
        }
        for request, expected in requests.items():
            answer = tokenizer.answer_to(request)
            self.assertEqual(list(answer), ["error"], request)
            self.assertIn(expected, answer["error"])
            self.assertNotIn("4111", answer["error"])


class ServeClient(unittest.TestCase):
    def setUp(self):
        self.near, far = socket.socketpair()
        self.log = io.StringIO()

        def serve():
            with contextlib.redirect_stdout(self.log):
                tokenizer.serve_client(far, "client")

        self.thread = threading.Thread(target=serve)
        self.thread.start()

    def tearDown(self):
        self.near.close()
        self.thread.join()

    def exchange(self, *pieces):
        for piece in pieces:
            self.near.sendall(piece)
        self.near.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: self.near.recv(4096), b""))
        self.thread.join()
        return json.loads(answer)

    def test_answers_at_the_end_of_the_stream_and_logs_no_number(self):
        answer = self.exchange(b'{"card_num', b'ber": "4111', b'111111111111"}')
        self.assertEqual(answer["token"], hashlib.sha256(CARD.encode()).hexdigest()[:16])
        self.assertEqual(self.log.getvalue(), "tokenizer: client: tokenized\n")

    def test_a_bad_number_is_not_logged_either(self):
        self.assertIn("error", self.exchange(b'{"card_number": "4111111111111111x"}'))
        self.assertNotIn("4111", self.log.getvalue())
        self.assertIn("12 to 19 digits", self.log.getvalue())

    def test_a_request_without_end_is_refused(self):
        self.near.sendall(b" " * (tokenizer.MAX_REQUEST + 1))
        answer = json.loads(b"".join(iter(lambda: self.near.recv(4096), b"")))
        self.assertEqual(answer, {"error": "expected at most 16384 bytes, found more"})

    def test_a_client_that_goes_away_ends_its_thread_only(self):
        self.near.close()
        self.thread.join()
        self.assertIn("tokenizer: client: ", self.log.getvalue())


class ReadRequest(unittest.TestCase):
    def test_a_client_that_waits_runs_out_of_time(self):
        near, far = socket.socketpair()
        with near, far:
            near.sendall(b"{")
            with self.assertRaisesRegex(tokenizer.BadRequest, "found it unfinished"):
                tokenizer.read_request(far, seconds=0)


class Enclave(threading.Thread):
    """One enclave's socket: takes the CONNECT line, then lets the tokenizer answer, or something else."""

    def __init__(self, path, greeting=b"OK 1073741824\n", answer=None):
        super().__init__()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen()
        self.greeting = greeting
        self.answer = answer
        self.line = b""

    def run(self):
        with self.listener:
            stream, _ = self.listener.accept()
            while not self.line.endswith(b"\n"):
                self.line += stream.recv(1)
            stream.sendall(self.greeting)
            if not self.greeting.startswith(b"OK"):
                stream.close()
                return
            if self.answer is None:
                with contextlib.redirect_stdout(io.StringIO()):
                    tokenizer.serve_client(stream, "client")
                return
            tokenizer.read_request(stream)
            stream.sendall(self.answer)
            stream.close()


class Parent(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        os.mkdir(os.path.join(self.directory.name, "cid"))
        self.path = os.path.join(self.directory.name, "cid", "16")
        before = os.environ.get("CASEMATE_RUNTIME_DIR")
        os.environ["CASEMATE_RUNTIME_DIR"] = self.directory.name

        def restore():
            del os.environ["CASEMATE_RUNTIME_DIR"]
            if before is not None:
                os.environ["CASEMATE_RUNTIME_DIR"] = before

        self.addCleanup(restore)

    def run_parent(self, *arguments, enclave=None):
        """Gives exit status, standard output and standard error."""
        if enclave:
            enclave.start()
        output, errors = io.StringIO(), io.StringIO()
        # The tokenizer's thread prints as well; its output is its own.
        with contextlib.redirect_stderr(errors):
            saved, sys.stdout = sys.stdout, output
            try:
                status = parent.main(["--cid", "16", *arguments])
            finally:
                sys.stdout = saved
        if enclave:
            enclave.join()
        return status, output.getvalue(), errors.getvalue()

    def test_prints_the_token(self):
        enclave = Enclave(self.path, answer=b'{"token": "00", "status": "tokenized"}')
        status, output, errors = self.run_parent(CARD, enclave=enclave)
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(json.loads(output), {"token": "00", "status": "tokenized"})
        self.assertEqual(enclave.line, b"CONNECT 5000\n")

    def test_an_error_of_the_tokenizer_is_exit_status_1(self):
        enclave = Enclave(self.path, answer=b'{"error": "no"}')
        status, output, _ = self.run_parent("--port", "77", CARD, enclave=enclave)
        self.assertEqual((status, json.loads(output)), (1, {"error": "no"}))
        self.assertEqual(enclave.line, b"CONNECT 77\n")

    def test_both_together(self):
        enclave = Enclave(self.path)
        enclave.start()
        with enclave_stream.connect(self.path, 5000) as stream:
            answer = parent.ask(stream, CARD)
        enclave.join()
        self.assertEqual(answer["token"], "9bbef19476623ca5")

    def test_no_enclave(self):
        status, output, errors = self.run_parent(CARD)
        self.assertEqual((status, output), (2, ""))
        self.assertIn(f"expected an enclave's socket at {self.path}, found: No such file", errors)

    def test_nobody_listens(self):
        status, _, errors = self.run_parent(CARD, enclave=Enclave(self.path, greeting=b""))
        self.assertEqual(status, 2)
        self.assertIn("found the connection refused", errors)

    def test_another_greeting(self):
        status, _, errors = self.run_parent(CARD, enclave=Enclave(self.path, greeting=b"NO\n"))
        self.assertEqual((status, errors), (2, 'parent: expected "OK", found "NO"\n'))

    def test_an_answer_that_is_none(self):
        for answer in (b"", b"[]", b"\xff"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            status, _, errors = self.run_parent(CARD, enclave=Enclave(self.path, answer=answer))
            self.assertEqual(status, 2)
            self.assertIn("expected a JSON object as the answer", errors)

    def test_the_runtime_directory(self):
        where = enclave_stream.runtime_directory
        self.assertEqual(where({}, user=0), "/run/casemate")
        self.assertEqual(where({"HOME": "/h"}, user=1000), "/h/.local/share/casemate/run")
        self.assertEqual(where({"HOME": "/h", "CASEMATE_STATE_DIR": "/s"}, user=1000), "/s/run")
        self.assertEqual(where({"XDG_RUNTIME_DIR": "/x"}, user=1000), "/x/casemate")
        self.assertEqual(where({"XDG_RUNTIME_DIR": "/x"}, user=0), "/run/casemate")
        self.assertEqual(where({"XDG_RUNTIME_DIR": "/x", "CASEMATE_RUNTIME_DIR": "/c"}, user=0), "/c")


if __name__ == "__main__":
    unittest.main()
