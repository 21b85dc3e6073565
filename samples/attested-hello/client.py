#!/usr/bin/env python3
"""Says something to an enclave, once the enclave has proven that it is the one.

    client.py --cid 16 --eif attested-hello.eif --root root.pem "my secret"

It sends a nonce of its own and gets an attestation document. `casemate verify` checks the document: the
chain of certificates up to the root, the nonce, the time, that the enclave is not in debug mode, and that
it was started from the very image given by --eif, which whoever runs this has built. Only then the message
is encrypted, to the public key in the verified document, and sent. The answer has to carry the proof that
the enclave could open it.

Standard output: the greeting. Exit status: 0 with a greeting; 1 when the document or the proof is refused
or the enclave answers an error; 2 when the enclave or a program is out of reach.
"""

import argparse
import base64
import binascii
import hmac
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, ".."))

from enclave_stream import Unreachable, connect_within, runtime_directory  # noqa: E402

MAX_ANSWER = 64 * 1024  # bytes
MAX_AGE = 60  # seconds, of the document
SECRET_SIZE = 32  # bytes
MAX_MESSAGE = 256 - 2 * 32 - 2 - SECRET_SIZE  # bytes: RSA-2048 with OAEP and SHA-256 (RFC 8017, 7.1.1)


class Refused(Exception):
    """Why the enclave is not trusted."""


class Session:
    """A stream to the enclave: one line there, one line back."""

    def __init__(self, stream):
        self.stream = stream
        self.answers = stream.makefile("rb")

    def ask(self, request, name):
        """Sends a request; gives the string under that name in the answer, and the answer."""
        try:
            self.stream.sendall(json.dumps(request).encode("utf-8") + b"\n")
            line = self.answers.readline(MAX_ANSWER)
        except OSError as problem:
            raise Unreachable(f"expected an answer, found: {problem.strerror or problem}") from None
        try:
            answer = json.loads(line.decode("utf-8"))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(f"expected a JSON object as the answer, found {len(line)} bytes of "
                              "something else")
        if isinstance(answer.get("error"), str):
            raise Refused(f"the enclave says: {answer['error']!a}")
        if not isinstance(answer.get(name), str):
            raise Refused(f"expected a string {name} in the answer, found none")
        return answer[name], answer


def run(command, data):
    """Runs a program; gives its exit status, standard output and standard error."""
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
    except OSError as problem:
        raise Unreachable(f"expected the program {command[0]}, found: {problem.strerror}") from None
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip()


def verified_public_key(options, document, nonce):
    """The public key in the document, which `casemate verify` must find good."""
    command = [options.casemate, "verify", "--document", "-", "--root", options.root,
               "--eif", options.eif, "--nonce", nonce.hex(), "--max-age", str(MAX_AGE),
               "--output", "json"]
    for isolation in options.allow_isolation:
        command += ["--allow-isolation", isolation]
    status, output, errors = run(command, document.encode("utf-8", "replace"))
    try:
        found = json.loads(output)
    except ValueError:
        found = {}
    if status == 1 and found.get("Verified") is False:
        raise Refused(f"{found.get('Error')}: {found.get('Message')}. Nothing was sent.")
    if status != 0 or found.get("Verified") is not True:
        raise Unreachable(f"expected a verdict of casemate verify, found status {status}: {errors}")
    if not isinstance(found.get("PublicKey"), str):
        raise Refused("expected a public key in the document, found none")
    return base64.b64decode(found["PublicKey"])


def seal(public_key, plain):
    """RSAES-OAEP with SHA-256 to the public key in DER."""
    with tempfile.NamedTemporaryFile(prefix="attested-hello.") as key:
        key.write(public_key)
        key.flush()
        status, sealed, errors = run(
            ["openssl", "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", key.name,
             "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256",
             "-pkeyopt", "rsa_mgf1_md:sha256"], plain)
    if status != 0:
        raise Refused(f"expected an RSA key to encrypt to, found otherwise: {errors}")
    return base64.b64encode(sealed).decode("ascii")


def check_proof(secret, sentence, answer):
    expected = hmac.new(secret, sentence.encode("utf-8", "surrogatepass"), "sha256").digest()
    try:
        found = binascii.unhexlify(answer.get("proof"))
    except (TypeError, ValueError):
        found = b""
    if not hmac.compare_digest(found, expected):
        raise Refused("expected the proof that the enclave opened the message, found none: this answer "
                      "is somebody else's")


def say_hello(session, options, message):
    """The enclave's greeting."""
    nonce = os.urandom(32)
    document, _ = session.ask({"nonce": nonce.hex()}, "document")
    if options.save_document:
        with open(options.save_document, "w", encoding="ascii", errors="replace") as file:
            file.write(document + "\n")
    public_key = verified_public_key(options, document, nonce)
    print(f"client: the enclave runs {options.eif}; encrypting to its key", file=sys.stderr)
    secret = os.urandom(SECRET_SIZE)
    sealed = seal(public_key, secret + message)
    sentence, answer = session.ask({"sealed": sealed}, "hello")
    check_proof(secret, sentence, answer)
    return sentence


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Say something to an enclave that proves what it is.")
    parser.add_argument("--cid", type=int, required=True, help="the enclave's context id")
    parser.add_argument("--port", type=int, default=5000, help="the program's vsock port")
    parser.add_argument("--wait", type=float, default=30, metavar="SECONDS",
                        help="try that long until the program listens (default 30)")
    parser.add_argument("--eif", required=True, help="the image that the enclave must run")
    parser.add_argument("--root", required=True, help="the authority's root certificate, PEM")
    parser.add_argument("--allow-isolation", action="append", default=[], metavar="LEVEL",
                        help="software: enclaves of the software host will do")
    parser.add_argument("--save-document", metavar="FILE",
                        help="keep the document, verified or not, in base64")
    parser.add_argument("--casemate", default="casemate", help="the program casemate")
    parser.add_argument("message", help=f"up to {MAX_MESSAGE} bytes of UTF-8")
    options = parser.parse_args(arguments)
    message = os.fsencode(options.message)
    if len(message) > MAX_MESSAGE:
        parser.error(f"expected a message of up to {MAX_MESSAGE} bytes, found {len(message)}")
    path = os.path.join(runtime_directory(), "cid", str(options.cid))
    try:
        with connect_within(path, options.port, options.wait) as stream:
            greeting = say_hello(Session(stream), options, message)
    except Refused as problem:
        print(f"client: refused: {problem}", file=sys.stderr)
        return 1
    except (Unreachable, OSError) as problem:
        print(f"client: {problem}", file=sys.stderr)
        return 2
    print(greeting)
    return 0


if __name__ == "__main__":
    sys.exit(main())
