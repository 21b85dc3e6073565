"""The security module as programs in the guest see it: through the kernel's driver by hand, through
libnsm from C, through nsm-cli, and as the kernel's own random number generator.

One enclave serves all tests; each that changes registers has its own."""

import base64
import concurrent.futures
import hashlib
import json
import unittest

import cbor2

from harness import LinuxGuestTest
from lifecycle_test import nsm

# What ErrorCode of nsm.h has.
INVALID_INDEX, READ_ONLY_INDEX, BUFFER_TOO_SMALL, INPUT_TOO_LARGE = 2, 4, 6, 7
DRIVER_LIMIT = 4096


def text(words):
    return cbor2.dumps(words).hex()


# Requests in hexadecimal that are none, by what is wrong with them; all are InvalidOperation.
MALFORMED = {
    "a break without anything to break": "ff",
    "half a text": "6b446573",
    "text that is not UTF-8": "62c328",
    "something behind the request": text("DescribeNSM") + "00",
    "an unknown name": text("describeNSM"),
    "an unknown name with fields": "a1" + text("Seal") + "a0",
    "a name without its fields": text("DescribePCR"),
    "a number": "10",
    "an empty map": "a0",
    "two requests in one": "a2" + text("LockPCR") + "a1" + text("index") + "10" + text("x") + "00",
    "fields that are null": "a1" + text("LockPCR") + "f6",
    "no index": "a1" + text("LockPCR") + "a0",
    "a negative index": "a1" + text("LockPCR") + "a1" + text("index") + "20",
    "an index twice": "a1" + text("LockPCR") + "a2" + 2 * (text("index") + "10"),
    "a range as text": "a1" + text("LockPCRs") + "a1" + text("range") + "6132",
    "data of indefinite length": "a1" + text("ExtendPCR") + "a2" + text("index") + "10" +
                                 text("data") + "5f4101ff",
    "data longer than the request": "a1" + text("ExtendPCR") + "a2" + text("index") + "10" +
                                    text("data") + "5affffffff00",
    "a map of indefinite length": "bf" + text("LockPCR") + "a1" + text("index") + "10ff",
    "more pairs than there are": "a1" + text("DescribePCR") + "bbffffffffffffffff",
    "nesting without end": "81" * 2000,
    "a nonce that is a number": "a1" + text("Attestation") + "a1" + text("nonce") + "01",
    "zeros": "00" * DRIVER_LIMIT,
}


class Guest(LinuxGuestTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.maxDiff = None
        cls.enclave = cls.machine.start()

    def ask(self, request, *, raw=False):
        """The module's answer to a request, or to its bytes in hexadecimal."""
        return nsm(self.enclave, "raw " + (request if raw else cbor2.dumps(request).hex()))

    def error(self, code, request, **options):
        self.assertEqual(self.ask(request, **options), {"Error": code}, str(request)[:100])

    def run_in_guest(self, *command):
        """(exit status, standard output, standard error) of a program in the guest."""
        answer = self.enclave.command(f"run {' '.join(map(str, command))}").split(" ")
        self.assertEqual((answer[0], len(answer)), ("ok", 4), answer)
        return (int(answer[1]), *(b"" if part == "-" else bytes.fromhex(part)
                                  for part in answer[2:]))

    def cli(self, *arguments):
        status, out, err = self.run_in_guest("/bin/nsm-cli", *arguments)
        self.assertEqual((status, err), (0, b""), arguments)
        return out

    def pcr(self, index):
        return self.ask({"DescribePCR": {"index": index}})["DescribePCR"]

    def statement(self, document):
        """What a document says; that it is true is attestation_test's to find out."""
        protected, unprotected, payload, signature = cbor2.loads(document)
        self.assertEqual((protected, unprotected, len(signature)),
                         (bytes.fromhex("a1013822"), {}, 96))
        return cbor2.loads(payload)


class Driver(Guest):
    """Requests by hand, through the driver's ioctl."""

    def test_registers_are_extended_and_locked_by_the_rules(self):
        value = bytes(48)
        self.assertEqual(self.pcr(20), {"lock": False, "data": value})
        for data in (b"one", b"", bytes(3000)):
            value = hashlib.sha384(value + data).digest()
            self.assertEqual(self.ask({"ExtendPCR": {"index": 20, "data": data}}),
                             {"ExtendPCR": {"data": value}})
        self.assertEqual(self.ask({"LockPCR": {"index": 20}}), "LockPCR")
        self.assertEqual(self.pcr(20), {"lock": True, "data": value})
        self.error("ReadOnlyIndex", {"LockPCR": {"index": 20}})
        self.error("ReadOnlyIndex", {"ExtendPCR": {"index": 20, "data": b""}})
        self.assertEqual(self.ask({"LockPCRs": {"range": 18}}), "LockPCRs")
        self.assertEqual(self.ask("DescribeNSM")["DescribeNSM"]["locked_pcrs"], [*range(18), 20])
        for index in range(16):
            self.error("ReadOnlyIndex", {"LockPCR": {"index": index}})
            self.error("ReadOnlyIndex", {"ExtendPCR": {"index": index, "data": b"x"}})
        for request in ({"DescribePCR": {"index": 32}}, {"ExtendPCR": {"index": 32, "data": b""}},
                        {"LockPCR": {"index": 65535}}, {"LockPCRs": {"range": 33}}):
            self.error("InvalidIndex", request)

    def test_what_is_no_request_is_refused_and_the_next_one_works(self):
        before = self.ask("DescribeNSM")
        registers = [self.pcr(index) for index in (0, 16, 31)]
        for what, request in MALFORMED.items():
            with self.subTest(what):
                self.error("InvalidOperation", request, raw=True)
                self.assertEqual(self.ask("DescribeNSM"), before)
        for field in ("user_data", "nonce", "public_key"):
            self.error("InputTooLarge", {"Attestation": {field: bytes(1025)}})
        self.assertEqual([self.pcr(index) for index in (0, 16, 31)], registers)

    def test_a_request_of_no_bytes_is_refused_and_the_next_one_works(self):
        self.assertEqual(nsm(self.enclave, "nothing"), {"Error": "InvalidOperation"})
        self.assertIn("DescribeNSM", self.ask("DescribeNSM"))

    def test_programs_that_ask_at_once_get_their_own_answers(self):
        expected = [self.pcr(index) for index in range(8)]

        def ask_often(index):
            return all(self.pcr(index) == expected[index] for _ in range(8))

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(ask_often, range(8))), [True] * 8)

    def test_the_driver_takes_4096_bytes_and_no_more(self):
        def request_of(size):
            around = len(cbor2.dumps({"ExtendPCR": {"index": 19, "data": bytes(1000)}})) - 1000
            return cbor2.dumps({"ExtendPCR": {"index": 19, "data": bytes(size - around)}})

        self.assertEqual(len(request_of(DRIVER_LIMIT)), DRIVER_LIMIT)
        value = hashlib.sha384(self.pcr(19)["data"] + cbor2.loads(request_of(DRIVER_LIMIT))[
            "ExtendPCR"]["data"]).digest()
        self.assertEqual(self.ask(request_of(DRIVER_LIMIT).hex(), raw=True),
                         {"ExtendPCR": {"data": value}})
        self.assertEqual(self.enclave.command(f"nsm raw {request_of(DRIVER_LIMIT + 1).hex()}"),
                         "error errno 90 EMSGSIZE")
        self.assertEqual(self.pcr(19)["data"], value)

    def test_random_bytes_differ_and_feed_the_kernel(self):
        blocks = {self.ask("GetRandom")["GetRandom"]["random"] for _ in range(8)}
        self.assertEqual(({len(block) for block in blocks}, len(blocks)), ({256}, 8))
        current = self.enclave.command("file /sys/class/misc/hw_random/rng_current 100")
        self.assertEqual(bytes.fromhex(current.removeprefix("ok ")), b"nsm-hwrng\n")
        read = {self.enclave.command("file /dev/hwrng 64") for _ in range(4)}
        self.assertEqual(len(read), 4)
        for answer in read:
            self.assertRegex(answer, "^ok [0-9a-f]{128}$")
            self.assertNotIn("00" * 8, answer)

    def test_documents_carry_what_is_given_and_the_locked_registers(self):
        nonce, key = bytes(range(256)) * 4, b"k" * 1024
        answer = self.ask({"Attestation": {"user_data": None, "nonce": nonce, "public_key": key}})
        statement = self.statement(answer["Attestation"]["document"])
        self.assertEqual(list(statement), ["module_id", "digest", "timestamp", "pcrs", "certificate",
                                           "cabundle", "public_key", "user_data", "nonce"])
        self.assertEqual((statement["user_data"], statement["nonce"], statement["public_key"]),
                         (None, nonce, key))
        self.assertEqual(statement["module_id"], self.ask("DescribeNSM")["DescribeNSM"]["module_id"])
        locked = self.ask("DescribeNSM")["DescribeNSM"]["locked_pcrs"]
        self.assertEqual(list(statement["pcrs"]), locked)
        described = self.machine.json("describe-enclaves")[0]["Measurements"]
        for index in (0, 1, 2):
            self.assertEqual(statement["pcrs"][index].hex(), described[f"PCR{index}"])
            self.assertEqual(statement["pcrs"][index], self.pcr(index)["data"])


class Faces(Guest):
    """A C program linked with libnsm, and nsm-cli: both say what the driver says."""

    def test_a_c_program_on_libnsm(self):
        description = self.ask("DescribeNSM")["DescribeNSM"]
        status, out, err = self.run_in_guest("/bin/nsm-program")
        self.assertEqual((status, err), (0, b""))
        said = dict(line.split(" ", 1) for line in out.decode().splitlines())
        module_id = description["module_id"]
        value = hashlib.sha384(bytes(48) + b"\1\2\3").hexdigest()
        document = said.pop("attest").split(" ")
        self.assertEqual(said, {
            "describe": "0",
            "module_id": f"{module_id} {len(module_id)}",
            "version": "1.0.0",
            "max_pcrs": "32",
            "locked": " ".join(map(str, description["locked_pcrs"])),
            "digest": "1",
            "pcr0": f"0 1 {self.pcr(0)['data'].hex()}",
            "extend": f"0 {value}",
            "lock": f"0 {READ_ONLY_INDEX} {INVALID_INDEX}",
            "lock_range": f"0 {INVALID_INDEX}",
            "extend_locked": f"{READ_ONLY_INDEX} 10",
            "short": f"{BUFFER_TOO_SMALL} 10 1",
            "attest_more": str(INPUT_TOO_LARGE),
            "random": "0 256",
            "random_again": "0 16 1",
        })
        self.assertEqual(document[0], "0")
        statement = self.statement(bytes.fromhex(document[1]))
        self.assertEqual((statement["user_data"], statement["nonce"], statement["public_key"]),
                         (bytes(1024), b"nonce", None))
        self.assertEqual(statement["pcrs"][29].hex(), value)
        self.assertEqual(self.pcr(29), {"lock": True, "data": bytes.fromhex(value)})

    def test_nsm_cli(self):
        description = self.ask("DescribeNSM")["DescribeNSM"]
        described = json.loads(self.cli("describe"))
        self.assertEqual(described["module_id"], description["module_id"])
        self.assertEqual((described["max_pcrs"], described["digest"]), (32, "SHA384"))
        self.assertEqual(self.cli("pcr", 1, "--text").decode().strip(), self.pcr(1)["data"].hex())
        value = hashlib.sha384(bytes(48) + b"word").hexdigest()
        self.assertEqual(json.loads(self.cli("extend", 22, "word")),
                         {"index": 22, "locked": False, "value": value})
        self.cli("lock", 22)
        self.assertEqual(json.loads(self.cli("pcr", 22)),
                         {"index": 22, "locked": True, "value": value})
        status, out, err = self.run_in_guest("/bin/nsm-cli", "extend", 22, "more")
        self.assertEqual((status, out), (1, b""))
        self.assertIn(b"ReadOnlyIndex", err)
        self.assertNotEqual(self.cli("random"), self.cli("random"))
        statement = self.statement(base64.b64decode(
            self.cli("attest", "--base64", "--nonce", "0011", "--user-data=x").strip(),
            validate=True))
        self.assertEqual((statement["nonce"], statement["user_data"]), (b"\0\x11", b"x"))
        self.assertEqual(statement["pcrs"][22].hex(), value)
        self.assertEqual(self.statement(self.cli("attest"))["nonce"], None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
