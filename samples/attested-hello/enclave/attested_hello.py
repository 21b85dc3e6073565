"""An enclave program that proves what it is before anybody tells it anything.

It listens on vsock port 5000. Each request and each answer is a JSON object on a line of its own; a stream
carries any number of them, in order:

    {"nonce": HEX}      →  {"document": BASE64}                     1 to 1,024 bytes
    {"sealed": BASE64}  →  {"hello": SENTENCE, "proof": HEX}

The document is the security module's attestation of this enclave with the client's nonce and the public
key (DER, RSA-2048) that was made here at the start; its private key never leaves the enclave's memory.
What is sealed is 32 random bytes of the client's and then its message in UTF-8, encrypted to that key with
RSAES-OAEP and SHA-256, as AWS's KMS encrypts to enclaves. The proof is the HMAC-SHA256 of the sentence
under the 32 bytes: whoever could not open what was sealed can't make it. Everything else is answered
{"error": SENTENCE}.
"""

import base64
import hmac
import json
import signal
import socket
import sys
import threading
import time

import casemate_nsm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PORT = 5000
MAX_NONCE = 1024  # bytes, as the security module has it
MAX_LINE = 16 * 1024  # bytes
MAX_SECONDS = 30  # for one client, from its first line to its last
MAX_CLIENTS = 64  # at once; more wait to be accepted
SECRET_SIZE = 32  # bytes


class BadRequest(Exception):
    """What is wrong with a request, in words that hold nothing of it."""


def log(sentence):
    print(f"attested-hello: {sentence}", flush=True)


def unique_names(pairs):
    """Refuses an object that names a member twice: which one counts would be anyone's guess."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise BadRequest("expected each name once, found one twice")
    return names


class Greeter:
    """The enclave's key, and what it answers. Several threads may ask it at once."""

    def __init__(self, attest=casemate_nsm.attest):
        self.attest = attest
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def document(self, nonce):
        """An attestation document with the nonce and the public key."""
        try:
            nonce = bytes.fromhex(nonce)
        except ValueError:
            raise BadRequest("expected the nonce in hexadecimal, found something else") from None
        if not 1 <= len(nonce) <= MAX_NONCE:
            raise BadRequest(f"expected a nonce of 1 to {MAX_NONCE} bytes, found {len(nonce)}")
        document = self.attest(nonce=nonce, public_key=self.public_key)
        return {"document": base64.b64encode(document).decode("ascii")}

    def hello(self, sealed):
        """The greeting, and the proof that what was sealed could be opened."""
        # One sentence for whatever is wrong with it: the reasons would help to guess at the contents.
        problem = BadRequest("expected what was encrypted to this enclave's key, found something else")
        try:
            opened = self.key.decrypt(
                base64.b64decode(sealed, validate=True),
                padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None))
            message = opened[SECRET_SIZE:].decode("utf-8")
        except ValueError:
            raise problem from None
        if len(opened) < SECRET_SIZE:
            raise problem
        sentence = f"Hello! Received {len(message)} characters that nobody else could read."
        proof = hmac.new(opened[:SECRET_SIZE], sentence.encode("utf-8"), "sha256")
        return {"hello": sentence, "proof": proof.hexdigest()}

    def answer_to(self, line):
        """The answer to one line."""
        try:
            try:
                message = json.loads(line.decode("utf-8"), object_pairs_hook=unique_names)
            except (ValueError, RecursionError):
                # The exception quotes the request, so it stays here.
                raise BadRequest("expected a JSON object in UTF-8, found something else") from None
            for name, ask in (("nonce", self.document), ("sealed", self.hello)):
                if isinstance(message, dict) and isinstance(message.get(name), str):
                    return ask(message[name])
            raise BadRequest("expected a JSON object with a string nonce or sealed, found none")
        except BadRequest as problem:
            return {"error": str(problem)}
        except (OSError, casemate_nsm.NsmError) as problem:
            return {"error": f"expected a document of the security module, found: {problem}"}


def read_lines(stream, seconds=MAX_SECONDS):
    """The lines of a stream until its end, without their newlines."""
    deadline = time.monotonic() + seconds
    pending = bytearray()
    while True:
        end = pending.find(b"\n")
        if end >= 0:
            yield bytes(pending[:end])
            del pending[:end + 1]
            continue
        if len(pending) > MAX_LINE:
            raise BadRequest(f"expected lines of at most {MAX_LINE} bytes, found a longer one")
        left = deadline - time.monotonic()
        if left <= 0:
            raise BadRequest(f"expected the last request within {seconds} s, found none")
        stream.settimeout(left)
        try:
            piece = stream.recv(4096)
        except TimeoutError:
            continue
        if not piece:
            if pending:
                raise BadRequest("expected a newline at the end of a request, found none")
            return
        pending += piece


def serve_client(stream, name, greeter):
    """Answers one client's requests and closes its stream."""
    def send(answer):
        stream.settimeout(MAX_SECONDS)
        stream.sendall(json.dumps(answer).encode("utf-8") + b"\n")
        log(f"{name}: {answer.get('error') or next(iter(answer))}")

    with stream:
        try:
            try:
                for line in read_lines(stream):
                    send(greeter.answer_to(line))
            except BadRequest as problem:
                send({"error": str(problem)})
        except OSError as problem:
            log(f"{name}: the stream broke: {problem.strerror or problem}")


def serve(listener, greeter):
    """Accepts clients for ever, each in a thread of its own."""
    places = threading.BoundedSemaphore(MAX_CLIENTS)

    def client(stream, name):
        try:
            serve_client(stream, name, greeter)
        finally:
            places.release()

    while True:
        places.acquire()
        stream, peer = listener.accept()
        name = f"CID {peer[0]} port {peer[1]}" if isinstance(peer, tuple) else "client"
        threading.Thread(target=client, args=(stream, name), daemon=True).start()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    greeter = Greeter()
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener:
        listener.bind((socket.VMADDR_CID_ANY, PORT))
        listener.listen(MAX_CLIENTS)
        log(f"listening on vsock port {PORT}")
        serve(listener, greeter)


if __name__ == "__main__":
    main()
