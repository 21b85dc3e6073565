"""casemate vsock connect and listen, with a unix socket in the enclave's place."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import unittest

from harness import CASEMATE, Machine, eventually

BLOCK = os.urandom(1 << 20)


class VsockVerbs(unittest.TestCase):

    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        (self.machine.runtime / "cid").mkdir(parents=True)

    def start(self, *arguments):
        process = subprocess.Popen([CASEMATE, "vsock", *map(str, arguments)],
                                   env=self.machine.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    @contextlib.contextmanager
    def enclave(self, answer):
        """A socket at CID 77 that takes one connection and hands it to answer(stream)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self.machine.runtime / "cid/77"))
            listener.listen()

            def serve():
                stream, _ = listener.accept()
                with stream:
                    answer(stream)
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield
            finally:
                thread.join(60)
                self.assertFalse(thread.is_alive())

    def test_connect_carries_both_ways_and_closes_half(self):
        def echo(stream):
            lines = stream.makefile("rb")
            self.assertEqual(lines.readline(), b"CONNECT 5000\n")
            stream.sendall(b"OK 1024\n")
            stream.sendall(lines.read()[::-1])
        with self.enclave(echo):
            out, errors = self.start("connect", 77, 5000).communicate(BLOCK, timeout=60)
        self.assertEqual(errors, b"")
        self.assertEqual(out, BLOCK[::-1])

    def test_connect_ends_with_the_enclaves_stream_though_input_is_open(self):
        def greet(stream):
            stream.makefile("rb").readline()
            stream.sendall(b"OK 1\nbye")
        with self.enclave(greet):
            process = self.start("connect", 77, 5000)
            self.assertEqual(process.stdout.read(), b"bye")
            self.assertEqual(process.wait(60), 0)

    def test_connect_tells_a_refusal_and_a_missing_enclave(self):
        with self.enclave(lambda stream: stream.makefile("rb").readline()):
            process = self.start("connect", 77, 5000)
            self.assertIn(b"port 5000 of CID 77", process.communicate(timeout=60)[1])
        self.assertEqual(process.returncode, 11)
        missing = self.start("connect", 78, 5000)
        self.assertIn(b"[ E11 ]", missing.communicate(timeout=60)[1])

    def test_listen_takes_one_connection_and_leaves_nothing(self):
        process = self.start("listen", 7000)
        path = self.machine.runtime / "parent/7000"
        eventually(path.exists, path)
        process.stderr.readline()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guest:
            guest.connect(str(path))
            guest.sendall(b"from the guest")
            guest.shutdown(socket.SHUT_WR)
            self.assertEqual(process.stdout.read(), b"from the guest")
        self.assertEqual(process.wait(60), 0)
        self.assertFalse(path.exists())

    def test_listen_refuses_a_taken_port_and_takes_over_a_dead_one(self):
        path = self.machine.runtime / "parent/7000"
        first = self.start("listen", 7000)
        first.stderr.readline()
        second = self.start("listen", 7000)
        self.assertIn(b"7000", second.communicate(timeout=60)[1])
        self.assertEqual(second.returncode, 11)
        self.assertTrue(path.exists())
        first.kill()
        first.wait()
        third = self.start("listen", 7000)
        third.stderr.readline()
        third.send_signal(signal.SIGTERM)
        third.wait(60)
        self.assertFalse(path.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
