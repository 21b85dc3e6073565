"""Malformed traffic against casemate-kms: each member of each operation, as botocore's model has them,
with each kind of JSON that it is not; and what is no request at all."""

import datetime
import json
import pathlib
import socket
import tempfile
import unittest
from unittest import mock

import botocore.auth
import botocore.session
from botocore.credentials import Credentials

from harness import ACCOUNT, Client, Service, kms

# One of each kind of JSON. "!" is no base64, no number, no date and no name of anything.
KINDS = {"null": None, "boolean": True, "number": 7, "fraction": 1.5, "huge": 10**400, "text": "!",
         "list": ["!"], "object": {"!": "!"}, "empty list": [], "empty object": {},
         "empty text": "", "long text": "x" * 70_000, "NUL": "a\0b", "surrogate": "\ud800",
         "negative": -1, "deep": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}
# The kinds that a member of the model's type may be.
FITTING = {"string": {"text", "empty text", "long text", "NUL", "surrogate"},
           "blob": {"text", "empty text", "long text", "NUL", "surrogate"},
           "integer": {"number", "negative"}, "long": {"number", "negative"},
           "boolean": {"boolean"}, "list": {"list", "empty list", "deep"},
           "map": {"object", "empty object"}, "structure": {"object", "empty object"},
           "timestamp": {"number", "negative", "fraction", "huge"}}
AWS_NAME = r"^[A-Za-z]+(Exception|Error)$"


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
     "Resource": "*"}]})
# Members of what the service does not have at all.
NOT_SUPPORTED = {"CustomKeyStoreId", "XksKeyId"}


def example(shape, name, key, sealed):
    """A value that fits a member, for those beside the wrong one."""
    if shape.type_name == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        if "Principal" in name:
            return f"arn:aws:iam::{ACCOUNT}:user/x"
        if name == "PolicyName":
            return "default"
        if name == "Policy":
            return POLICY
        return key if "KeyId" in name else "alias/x" if "Alias" in name else "x"
    if shape.type_name == "structure":
        return {each: example(shape.members[each], each, key, sealed)
                for each in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member, name, key, sealed)]
    if shape.type_name == "map":
        return {"a": "b"}
    return {"blob": sealed, "integer": 1, "long": 1, "boolean": True, "timestamp": 1.8e9}[
        shape.type_name]


def places(shape, path=()):
    """Paths to all members, those inside of others too."""
    for name, member in shape.members.items():
        yield (*path, name), member
        inner = member.member if member.type_name == "list" else member
        step = (*path, name, 0) if member.type_name == "list" else (*path, name)
        if inner.type_name == "structure":
            yield from places(inner, step)
        elif member.type_name == "list":
            yield step, inner


def put(fields, path, value):
    """fields with value at path, whose way is made."""
    step, *rest = path
    if step == 0:
        return [put({}, rest, value) if rest else value]
    fields = dict(fields) if isinstance(fields, dict) else {}
    fields[step] = put(fields.get(step, {}), rest, value) if rest else value
    return fields


class Malformed(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-malformed.")
        cls.addClassCleanup(directory.cleanup)
        data = pathlib.Path(directory.name) / "data"
        cls.service = Service(data, "--request-timeout", "3", "--idle-timeout", "3", "--max-body-bytes", "262144").start()
        cls.addClassCleanup(cls.service.kill)
        cls.model = botocore.session.get_session().get_service_model("kms")

    def setUp(self):
        self.client = Client(self.service)
        self.addCleanup(self.client.close)

    def tearDown(self):
        # It still serves, and what it has logged is whole.
        client = Client(self.service)
        client.ask("ListKeys")
        client.close()
        verified = kms("audit", "verify", "--data", self.service.data)
        self.assertTrue(verified.startswith("verified: "), verified)

    def assert_refused(self, answer, of, *names):
        status, content, request_id = answer
        self.assertTrue(400 <= status < 500, f"{of}: {status} {content}")
        self.assertRegex(content.get("__type", ""), AWS_NAME, of)
        self.assertRegex(request_id, "^[0-9a-f-]{36}$", of)
        if names:
            self.assertIn(content["__type"], names, of)

    def test_each_member_of_each_operation_with_each_wrong_kind(self):
        asked, others = 0, []
        for operation in self.model.operation_names:
            shape = self.model.operation_model(operation).input_shape
            key = self.client.ask("CreateKey")["KeyMetadata"]["KeyId"]
            sealed = self.client.ask("Encrypt", KeyId=key, Plaintext="AAAA")["CiphertextBlob"]
            given = example(shape, operation, key, sealed)
            known = self.client.call(operation, {})[1].get("__type") != "UnknownOperationException"
            if not known:
                continue
            for path, member in places(shape):
                for kind, value in KINDS.items():
                    answer = self.client.call(operation, put(given, path, value))
                    asked += 1
                    of = f"{operation} {path} {kind}"
                    fits = kind in FITTING[member.type_name] or kind == "null"
                    if answer[0] == 200:
                        self.assertTrue(fits, of)
                    elif fits:
                        self.assert_refused(answer, of)
                    else:
                        self.assert_refused(answer, of)
                        name = answer[1]["__type"]
                        if (name not in ("SerializationException", "ValidationException")
                                and not (name == "UnsupportedOperationException"
                                         and path[-1] in NOT_SUPPORTED)):
                            others.append(f"{of}: {name}")
        print(f"{asked} requests", flush=True)
        if others:
            self.fail("\n".join(others))
        self.assertGreater(asked, 2000)

    def test_bodies_that_are_no_requests(self):
        for body in (b"", b"{", b"}", b"[]", b"null", b"7", b'"a"', b"{}{}", b"{} x", b"{'a': 1}",
                     b'{"a": 01}', b'{"a": NaN}', b'{"a": "\xff"}', b'{"KeyId": "a", "KeyId": 1}',
                     b"\xef\xbb\xbf{}", b"\x00" * 100, b"[" * 100_000, b'{"a":' * 20_000,
                     b'{"KeyId": "' + b"\\u0000" * 1000 + b'"}'):
            self.assert_refused(self.client.call("DescribeKey", body), body[:40],
                                "SerializationException", "ValidationException",
                                "NotFoundException")

    def test_operations_that_there_are_not(self):
        for operation in ("", "Nothing", "listkeys", "ListKeys.x", "x" * 5000, "é"):
            headers = self.client.signed("ListKeys", b"{}")
            headers["X-Amz-Target"] = f"TrentService.{operation}".encode("latin-1")
            self.assert_refused(self.client.send(b"{}", headers), operation,
                                "UnknownOperationException", "InvalidSignatureException")
        for operation in ("Nothing", "listkeys", "ListKeys.x", "CreateCustomKeyStore"):
            self.assert_refused(self.client.call(operation, {}), operation,
                                "UnknownOperationException")

    def test_signatures_that_are_none(self):
        credentials = self.service.credentials

        def send(changed, body=b"{}", **options):
            headers = self.client.signed("ListKeys", b"{}", **options)
            changed(headers)
            return self.client.send(body, headers)

        def set_header(name, value):
            return lambda headers: headers.__setitem__(name, value)

        def edit(old, new):
            def change(headers):
                self.assertIn(old, headers["Authorization"])
                headers["Authorization"] = headers["Authorization"].replace(old, new)
            return change
        nothing = edit("AWS4", "AWS4")
        self.assertEqual(send(nothing)[0], 200)
        cases = {
            "no signature": (lambda headers: headers.pop("Authorization"),
                             "MissingAuthenticationTokenException"),
            "empty": (set_header("Authorization", ""), None),
            "another scheme": (set_header("Authorization", "Bearer x"), None),
            "nothing but the scheme": (set_header("Authorization", "AWS4-HMAC-SHA256"),
                                       "IncompleteSignatureException"),
            "long": (set_header("Authorization", "AWS4-HMAC-SHA256 " + "a=b," * 4000), None),
            "no date": (lambda headers: headers.pop("X-Amz-Date"), None),
            "a date of another shape": (set_header("X-Amz-Date", "yesterday"), None),
            "another service": (edit("/kms/", "/sts/"), "InvalidSignatureException"),
            "another region": (edit("/us-east-1/", "/eu-west-1/"), "InvalidSignatureException"),
            "unsigned target": (edit("x-amz-target", "x-amz-other"), None),
            "another caller": (edit(credentials.access_key, "AKIAIOSFODNN7EXAMPLE"),
                               "UnrecognizedClientException"),
        }
        for of, (change, name) in cases.items():
            self.assert_refused(send(change), of, *([name] if name else []))
        self.assert_refused(send(nothing, body=b'{"Limit": 1}'), "another body",
                            "InvalidSignatureException")
        wrong = Credentials(credentials.access_key, credentials.secret_key[:-1] + "!")
        self.assert_refused(send(nothing, credentials=wrong), "another secret",
                            "InvalidSignatureException")
        token = Credentials(credentials.access_key, credentials.secret_key, "a token")
        self.assert_refused(send(nothing, credentials=token), "a token that nobody gave")

    def test_replays_outside_the_window(self):
        class Moved(datetime.datetime):
            by = datetime.timedelta()

            @classmethod
            def utcnow(cls):
                return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + cls.by

        for minutes, status in ((0, 200), (-4, 200), (4, 200), (-6, 400), (6, 400), (-1440, 400),
                                (60 * 24 * 400, 400)):
            Moved.by = datetime.timedelta(minutes=minutes)
            with mock.patch.object(botocore.auth.datetime, "datetime", Moved):
                answer = self.client.call("ListKeys", {})
            self.assertEqual(answer[0], status, f"{minutes} {answer}")
            if status != 200:
                self.assert_refused(answer, minutes, "InvalidSignatureException")

    def raw(self, content):
        """What the service answers to bytes, until it closes the connection."""
        address = self.client.connection
        with socket.create_connection((address.host, address.port), timeout=60) as tcp:
            with self.service.trust.wrap_socket(tcp, server_hostname=address.host) as tls:
                answer = b""
                try:
                    tls.sendall(content)
                    while True:
                        part = tls.recv(65536)
                        if not part:
                            break
                        answer += part
                except OSError:
                    # It closed before it had read all.
                    pass
                return answer

    def test_what_is_hardly_http(self):
        start = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for of, content in {
            "no HTTP": b"hello\r\n\r\n",
            "binary": bytes(range(256)) * 8,
            "a version": b"POST / HTTP/7.3\r\n\r\n",
            "a method": b"BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "a path": start.replace(b"/ HTTP", b"/../../etc/passwd HTTP") + b"\r\n",
            "long header": start + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
            "many headers": start + b"X: x\r\n" * 20_000 + b"\r\n",
            "a length": start + b"Content-Length: -1\r\n\r\n",
            "another length": start + b"Content-Length: 99999999999999999999999\r\n\r\n",
            "two lengths": start + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "length and chunks": start + (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          b"0\r\n\r\n"),
            "a chunk": start + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            "an oversized body": start + b"Content-Length: 262145\r\n\r\n" + b"x" * 262_145,
            "an oversized chunk": start + (b"Transfer-Encoding: chunked\r\n\r\n"
                                           b"fffffff\r\n" + b"x" * 300_000),
            # Waited for in vain.
            "half a body": start + b"Content-Length: 100\r\n\r\nabc",
            "half a header": start + b"X-",
            "nothing": b"",
        }.items():
            answer = self.raw(content)
            if answer:
                status = int(answer.split(b" ")[1])
                self.assertTrue(400 <= status < 500 or status == 505, f"{of}: {answer[:200]}")

    def test_what_is_not_tls(self):
        address = self.client.connection
        for content in (b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 1000, b"\x80" * 50):
            with socket.create_connection((address.host, address.port), timeout=60) as tcp:
                tcp.sendall(content)
                try:
                    while tcp.recv(65536):
                        pass
                except OSError:
                    pass

    def test_oversized_fields(self):
        key = self.client.ask("CreateKey")["KeyMetadata"]["KeyId"]
        for operation, fields in {
            "Encrypt": {"KeyId": key, "Plaintext": "A" * 200_000},
            "Decrypt": {"CiphertextBlob": "A" * 200_000},
            "PutKeyPolicy": {"KeyId": key, "PolicyName": "default", "Policy": " " * 200_000},
            "CreateKey": {"Description": "x" * 8193},
            "TagResource": {"KeyId": key, "Tags": [{"TagKey": str(i), "TagValue": ""}
                                                   for i in range(5000)]},
        }.items():
            self.assert_refused(self.client.call(operation, fields), operation)
        context = {"KeyId": key, "Plaintext": "AAAA",
                   "EncryptionContext": {str(i): "x" * 1000 for i in range(100)}}
        self.assert_refused(self.client.call("Encrypt", context), "context")
        large = {"KeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/" + "a" * 300_000}
        try:
            status, answer, _ = self.client.call("DescribeKey", large)
            self.assertTrue(400 <= status < 500, f"{status} {answer}")
        except OSError:
            # It closed before it had read all.
            pass
        self.client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
