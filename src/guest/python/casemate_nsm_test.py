"""casemate_nsm over a stand-in for the kernel's driver, its CBOR checked by cbor2's."""

import contextlib
import ctypes
import errno
import os
import struct
import tempfile
import threading
import unittest
from unittest import mock

import cbor2

import casemate_nsm
from casemate_nsm import NsmError


class Driver:
    """Answers the ioctl as the driver does; reads and writes the caller's memory by its addresses."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def ioctl(self, device, request, raw, mutate):
        # linux/nsm.h on 64-bit machines.
        assert (request, len(raw), mutate) == (0xC0200A00, 32, True)
        os.fstat(device)
        at, size, answer_at, answer_size = struct.unpack("=QQQQ", raw)
        assert answer_size == 0x3000
        self.requests.append(ctypes.string_at(at, size))
        answer = self.answer
        if callable(answer):
            answer = answer(self.requests[-1])
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        ctypes.memmove(answer_at, answer, len(answer))
        struct.pack_into("=Q", raw, 24, len(answer))
        return 0


class Case(unittest.TestCase):

    @contextlib.contextmanager
    def driver(self, answer):
        """A driver that answers with bytes, with an errno, or with what a function returns."""
        driver = Driver(answer)
        with tempfile.NamedTemporaryFile() as device, \
                mock.patch.object(casemate_nsm, "DEVICE", device.name), \
                mock.patch.object(casemate_nsm.fcntl, "ioctl", driver.ioctl):
            yield driver

    def refused(self, code, function, *arguments):
        with self.assertRaises(NsmError) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.code, code)
        self.assertIn(code, str(caught.exception))
        return caught.exception


class Requests(Case):

    def test_each_request_is_what_the_protocol_says_in_the_shortest_encoding(self):
        wide = bytes(range(256)) * 4
        pcr = {"data": bytes(48), "lock": True}
        for call, request, response in (
                (casemate_nsm.describe, "DescribeNSM",
                 {"DescribeNSM": {"version_major": 1, "version_minor": 2, "version_patch": 3,
                                  "module_id": "i-0-enc0", "max_pcrs": 32, "locked_pcrs": [1, 0],
                                  "digest": "SHA384"}}),
                (lambda: casemate_nsm.pcr(23), {"DescribePCR": {"index": 23}}, {"DescribePCR": pcr}),
                (lambda: casemate_nsm.pcr(24), {"DescribePCR": {"index": 24}}, {"DescribePCR": pcr}),
                (lambda: casemate_nsm.pcr(65535), {"DescribePCR": {"index": 65535}},
                 {"DescribePCR": pcr}),
                (lambda: casemate_nsm.extend(16, bytearray(wide)),
                 {"ExtendPCR": {"index": 16, "data": wide}}, {"ExtendPCR": {"data": bytes(48)}}),
                (lambda: casemate_nsm.lock(31), {"LockPCR": {"index": 31}}, "LockPCR"),
                (lambda: casemate_nsm.lock_range(32), {"LockPCRs": {"range": 32}}, "LockPCRs"),
                (casemate_nsm.attest,
                 {"Attestation": {"user_data": None, "nonce": None, "public_key": None}},
                 {"Attestation": {"document": b"\x84"}}),
                (lambda: casemate_nsm.attest(b"", wide, memoryview(b"key")),
                 {"Attestation": {"user_data": b"", "nonce": wide, "public_key": b"key"}},
                 {"Attestation": {"document": b"\x84"}}),
                (casemate_nsm.random, "GetRandom", {"GetRandom": {"random": bytes(256)}})):
            with self.subTest(request=request), self.driver(cbor2.dumps(response)) as driver:
                call()
                self.assertEqual(driver.requests, [cbor2.dumps(request)])

    def test_what_can_not_be_sent_is_refused_before_it_is(self):
        with self.driver(b"") as driver:
            self.refused("InputTooLarge", casemate_nsm.extend, 16, bytes(4096))
            self.refused("InvalidIndex", casemate_nsm.pcr, 65536)
            self.refused("InvalidIndex", casemate_nsm.lock, -1)
            self.assertRaises(ValueError, casemate_nsm.random, -1)
            self.assertEqual(driver.requests, [])


class Responses(Case):

    def test_what_the_module_says_comes_back(self):
        response = {"DescribeNSM": {"digest": "SHA384", "max_pcrs": 32, "module_id": "i-0-enc0",
                                    "locked_pcrs": [2, 0, 1], "version_major": 1,
                                    "version_minor": 300, "version_patch": 0, "added later": [None]}}
        with self.driver(cbor2.dumps(response)):
            self.assertEqual(casemate_nsm.describe(),
                             ("i-0-enc0", "SHA384", 32, (0, 1, 2), (1, 300, 0)))
        value = bytes(range(48))
        with self.driver(cbor2.dumps({"DescribePCR": {"lock": False, "data": value}})):
            self.assertEqual(casemate_nsm.pcr(1), (value, False))
        document = bytes(5000)
        with self.driver(cbor2.dumps({"Attestation": {"document": document}})):
            self.assertEqual(casemate_nsm.attest(), document)

    def test_random_asks_as_often_as_it_must(self):
        blocks = iter((b"a" * 256, b"b" * 256, b"c" * 256))
        with self.driver(lambda _: cbor2.dumps({"GetRandom": {"random": next(blocks)}})) as driver:
            self.assertEqual(casemate_nsm.random(513), b"a" * 256 + b"b" * 256 + b"c")
            self.assertEqual(casemate_nsm.random(0), b"")
            self.assertEqual(len(driver.requests), 3)

    def test_each_refusal_carries_its_code(self):
        for code in ("InvalidArgument", "InvalidIndex", "InvalidResponse", "ReadOnlyIndex",
                     "InvalidOperation", "BufferTooSmall", "InputTooLarge", "InternalError"):
            with self.driver(cbor2.dumps({"Error": code})):
                self.refused(code, casemate_nsm.lock, 0)

    def test_answers_that_are_none_are_refused(self):
        answered = bytes(48)
        good = cbor2.dumps({"DescribePCR": {"data": answered, "lock": True}})
        with self.driver(good):
            casemate_nsm.pcr(0)
        bad = [good[:length] for length in range(len(good))]
        bad += [good + b"\0", b"\xff", b"\xbf\xff", b"\x9f\xff", b"\x5f\xff", b"\x1c", b"\xc1\0",
                b"\xf7", b"\xf9\0\0", b"\x81" * 9 + b"\0", b"\x61\xff", b"\xbb" + b"\xff" * 8,
                b"\x9b" + b"\xff" * 8, b"\x7b" + b"\xff" * 8, b"\xa1" + good[1:13] + b"\xa0",
                b"\xa2" + 2 * good[1:]]
        bad += [cbor2.dumps(value) for value in (
            "DescribeNSM", "DescribePCR", None, [], {}, {"Error": "Success"}, {"Error": "Unheard"},
            {"Error": 1}, {"ExtendPCR": {"data": answered}}, {"DescribePCR": None}, {1: {}},
            {"DescribePCR": {"data": answered}}, {"DescribePCR": {"data": "text", "lock": True}},
            {"DescribePCR": {"data": answered, "lock": 1}}, {"DescribePCR": {}, "LockPCR": {}})]
        for answer in bad:
            with self.subTest(answer=answer.hex()), self.driver(answer):
                self.refused("InvalidResponse", casemate_nsm.pcr, 0)
        with self.driver(cbor2.dumps({"DescribeNSM": {"locked_pcrs": ["0"]}})):
            self.refused("InvalidResponse", casemate_nsm.describe)
        with self.driver(cbor2.dumps({"GetRandom": {"random": b""}})):
            self.refused("InvalidResponse", casemate_nsm.random)

    def test_integers_may_be_wider_than_needed(self):
        with self.driver(b"\xa1\x6bDescribePCR\xa2\x64lock\xf4\x64data\x5b" + bytes(7) + b"\x02ab"):
            self.assertEqual(casemate_nsm.pcr(0), (b"ab", False))


class Devices(Case):

    def test_without_a_module_it_says_where_it_looked(self):
        with mock.patch.object(casemate_nsm, "DEVICE", "/nowhere/nsm"), \
                self.assertRaises(FileNotFoundError) as caught:
            casemate_nsm.describe()
        self.assertIn("not in an enclave?", str(caught.exception))
        self.assertEqual(caught.exception.filename, "/nowhere/nsm")

    def test_what_the_driver_reports_comes_back_and_the_device_is_closed(self):
        with self.driver(errno.EMSGSIZE):
            self.refused("InputTooLarge", casemate_nsm.describe)
        before = len(os.listdir("/proc/self/fd"))
        with self.driver(errno.ETIMEDOUT):
            with self.assertRaises(TimeoutError):
                casemate_nsm.describe()
            self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)  # the stand-in's file

    def test_threads_do_not_mix_up_their_answers(self):
        def echo(request):
            index = cbor2.loads(request)["DescribePCR"]["index"]
            return cbor2.dumps({"DescribePCR": {"lock": True, "data": bytes((index,)) * 48}})

        def ask(index):
            for _ in range(50):
                found[index] &= casemate_nsm.pcr(index).value == bytes((index,)) * 48

        found = [True] * 8
        with self.driver(echo):
            threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertTrue(all(found))


if __name__ == "__main__":
    unittest.main()
