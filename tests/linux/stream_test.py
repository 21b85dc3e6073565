"""vsock between a Linux guest and its parent: both ways, half-close, many at once, refusals."""

import concurrent.futures
import hashlib
import os
import socket
import unittest

from harness import ECHO, SINK, SOURCE, LinuxGuestTest

MEGABYTES = 100 * 1024 * 1024


def receive_all(stream):
    """Every byte until end of file, hashed; returns (count, SHA-256)."""
    digest, count = hashlib.sha256(), 0
    while data := stream.recv(1 << 18):
        digest.update(data)
        count += len(data)
    return count, digest.hexdigest()


class Streams(LinuxGuestTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enclave = cls.machine.start(cpus=2)

    def test_the_guest_still_answers_after_the_parent_has_closed_its_half(self):
        with self.enclave.dial_when_up(ECHO) as stream:
            stream.sendall(b"half a conversation")
            stream.shutdown(socket.SHUT_WR)
            self.assertEqual(stream.makefile("rb").read(), b"half a conversation")

    def test_100_mb_into_the_guest_arrive_whole(self):
        block = os.urandom(1 << 20)
        digest = hashlib.sha256()
        with self.enclave.dial_when_up(SINK) as stream:
            for _ in range(MEGABYTES // len(block)):
                stream.sendall(block)
                digest.update(block)
            stream.shutdown(socket.SHUT_WR)
            answer = stream.makefile("rb").read().decode().split()
        self.assertEqual(answer, [str(MEGABYTES), digest.hexdigest()])

    def test_100_mb_out_of_the_guest_arrive_whole(self):
        with self.enclave.dial_when_up(SOURCE) as stream:
            stream.sendall(f"{MEGABYTES}\n".encode())
            count, digest = receive_all(stream)
        pattern = bytes(range(256)) * (MEGABYTES // 256)
        self.assertEqual(count, MEGABYTES)
        self.assertEqual(digest, hashlib.sha256(pattern).hexdigest())

    def test_200_parallel_streams_each_get_their_own_bytes_back(self):
        self.enclave.dial_when_up(ECHO).close()

        def converse(number):
            sent = hashlib.sha256(str(number).encode()).digest() * 2048
            with self.enclave.dial(ECHO) as stream:
                with concurrent.futures.ThreadPoolExecutor(1) as sender:
                    sending = sender.submit(lambda: (stream.sendall(sent),
                                                     stream.shutdown(socket.SHUT_WR)))
                    received = stream.makefile("rb").read()
                    sending.result()
            return received == sent

        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            self.assertEqual(list(pool.map(converse, range(200))), [True] * 200)

    def test_the_guest_reaches_the_parent_and_sees_its_end_of_file(self):
        with self.enclave.parent_port(7001) as listener, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.enclave.command, "dial 3 7001 hello from the guest")
            stream, _ = listener.accept()
            with stream:
                self.assertEqual(stream.makefile("rb").read(), b"hello from the guest")
                stream.sendall(b"and the parent's answer")
            self.assertEqual(asked.result(), "answer and the parent's answer")

    def test_a_guest_port_where_nobody_listens_is_refused(self):
        self.enclave.dial_when_up(ECHO).close()
        with self.assertRaises(ConnectionRefusedError):
            self.enclave.dial(4999)

    def test_a_parent_port_where_nobody_listens_is_reset(self):
        self.assertEqual(self.enclave.command("connect 3 4998"), "error ECONNRESET")

    def test_another_enclaves_cid_is_reset(self):
        other = self.machine.start()
        try:
            self.assertEqual(self.enclave.command(f"connect {other.cid} {ECHO}"),
                             "error ECONNRESET")
        finally:
            other.terminate()


if __name__ == "__main__":
    unittest.main(verbosity=2)
