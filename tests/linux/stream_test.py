"""vsock between a Linux guest and its parent: both ways, half-close, many at once, refusals."""

import concurrent.futures
import hashlib
import os
import socket
import time
import unittest
import zlib

from harness import ECHO, SINK, SOURCE, LinuxGuestTest, eventually
from lifecycle_test import descendants

MEGABYTES = 100 * 1024 * 1024


def pattern():
    """The repeating part of what the source service sends (tests/guest/pattern.hpp), 64 KiB at a
    time: byte i is the exclusive or of the four bytes of i."""
    low = bytes(i & 0xff ^ i >> 8 for i in range(1 << 16))
    high = 0
    while True:
        flip = (high ^ high >> 8) & 0xff
        yield low.translate(bytes(value ^ flip for value in range(256)))
        high += 1


def expected_pattern(size):
    """The CRC-32 of the first size bytes of the pattern; size is a multiple of 64 KiB."""
    crc = 0
    for _, block in zip(range(size >> 16), pattern()):
        crc = zlib.crc32(block, crc)
    return crc


def receive_all(stream):
    """Every byte until end of file; returns (count, CRC-32)."""
    crc, count = 0, 0
    while data := stream.recv(1 << 18):
        crc = zlib.crc32(data, crc)
        count += len(data)
    return count, crc


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
        crc = 0
        with self.enclave.dial_when_up(SINK) as stream:
            for _ in range(MEGABYTES // len(block)):
                stream.sendall(block)
                crc = zlib.crc32(block, crc)
            stream.shutdown(socket.SHUT_WR)
            answer = stream.makefile("rb").read().decode().split()
        self.assertEqual(answer, [f"{crc:08x}", str(MEGABYTES)])

    def test_100_mb_out_of_the_guest_arrive_whole(self):
        with self.enclave.dial_when_up(SOURCE) as stream:
            stream.sendall(f"{MEGABYTES}\n".encode())
            self.assertEqual(receive_all(stream), (MEGABYTES, expected_pattern(MEGABYTES)))

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

    def test_ended_streams_leave_no_descriptors(self):
        self.enclave.dial_when_up(ECHO).close()
        supervisor = self.enclave.description["ProcessID"]

        def descriptors():
            return {pid: len(os.listdir(f"/proc/{pid}/fd"))
                    for pid in (supervisor, *descendants(supervisor))}

        def quiet():
            first = descriptors()
            time.sleep(0.5)
            return first if first == descriptors() else None

        before = eventually(quiet, "the streams of the other tests gone")
        for _ in range(50):
            with self.enclave.dial(ECHO) as stream:
                stream.sendall(b"x")
            with self.assertRaises(ConnectionRefusedError):
                self.enclave.dial(4999)
        eventually(lambda: descriptors() == before, f"{before} again, found {descriptors()}")

    def test_the_guest_reaches_the_parent_and_reads_after_its_own_end_of_file(self):
        with self.enclave.parent_port(7001) as listener, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.enclave.command, f"send 3 7001 {MEGABYTES}")
            stream, _ = listener.accept()
            with stream:
                self.assertEqual(receive_all(stream), (MEGABYTES, expected_pattern(MEGABYTES)))
                stream.sendall(b"the parent's answer\n")
            self.assertEqual(asked.result(), "ok the parent's answer")

    def test_200_streams_from_the_guest_are_open_at_once(self):
        def echo(stream):
            with stream:
                stream.sendall(stream.makefile("rb").read())

        with self.enclave.parent_port(6000) as listener, \
                concurrent.futures.ThreadPoolExecutor(201) as pool:
            asked = pool.submit(self.enclave.command, "fanout 200")
            for _ in range(200):
                pool.submit(echo, listener.accept()[0])
            self.assertEqual(asked.result(), "ok 200 streams")

    def test_a_guest_port_where_nobody_listens_is_refused(self):
        self.enclave.dial_when_up(ECHO).close()
        with self.assertRaises(ConnectionRefusedError):
            self.enclave.dial(4999)

    def test_a_parent_port_where_nobody_listens_is_reset(self):
        self.assertEqual(self.enclave.command("connect 3 4998"), "error errno 104 ECONNRESET")

    def test_another_enclaves_cid_is_reset(self):
        other = self.machine.start()
        try:
            self.assertEqual(self.enclave.command(f"connect {other.cid} {ECHO}"),
                             "error errno 104 ECONNRESET")
        finally:
            other.terminate()


if __name__ == "__main__":
    unittest.main(verbosity=2)
