"""A card tokenizer that runs in an enclave.

It listens on vsock port 5000. A client sends {"card_number": "4111111111111111"} and ends its side of
the stream; the answer is {"token": ..., "last_four": ..., "status": "tokenized"} or {"error": ...}. The
token is the first 16 hexadecimal digits of the SHA-256 of the card number. The number itself never
leaves the enclave, its log included.
"""

import hashlib
import json
import signal
import socket
import sys
import threading
import time

PORT = 5000
MAX_REQUEST = 16 * 1024  # bytes
MAX_SECONDS = 10  # for one client, from its first byte to its last
MAX_CLIENTS = 64  # at once; more wait to be accepted


class BadRequest(Exception):
    """What is wrong with a request, in words that hold nothing of it."""


def log(sentence):
    print(f"tokenizer: {sentence}", flush=True)


def unique_names(pairs):
    """Refuses an object that names a member twice: which one counts would be anyone's guess."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise BadRequest("expected each name once, found one twice")
    return names


def card_number_of(request):
    """The card number of a request, as the text of 12 to 19 digits that it must be."""
    try:
        message = json.loads(request.decode("utf-8"), object_pairs_hook=unique_names)
    except (ValueError, RecursionError):
        # The exception quotes the request, so it stays here.
        raise BadRequest("expected a JSON object in UTF-8, found something else") from None
    if not isinstance(message, dict):
        raise BadRequest("expected a JSON object, found another kind of value")
    if "card_number" not in message:
        raise BadRequest("expected the member card_number, found none")
    number = message["card_number"]
    if not isinstance(number, str):
        raise BadRequest("expected card_number to be a string, found another kind of value")
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise BadRequest("expected card_number to be 12 to 19 digits, found something else")
    return number


def answer_to(request):
    """The answer to the bytes of a request."""
    try:
        number = card_number_of(request)
    except BadRequest as problem:
        return {"error": str(problem)}
    token = hashlib.sha256(number.encode("ascii")).hexdigest()[:16]
    return {"token": token, "last_four": number[-4:], "status": "tokenized"}


def read_request(stream, seconds=MAX_SECONDS):
    """Reads until the client ends its side of the stream."""
    deadline = time.monotonic() + seconds
    request = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise BadRequest(f"expected the request within {seconds} s, found it unfinished")
        stream.settimeout(left)
        try:
            piece = stream.recv(4096)
        except TimeoutError:
            continue
        if not piece:
            return bytes(request)
        request += piece
        if len(request) > MAX_REQUEST:
            raise BadRequest(f"expected at most {MAX_REQUEST} bytes, found more")


def serve_client(stream, name):
    """Answers one client and closes its stream."""
    with stream:
        try:
            try:
                answer = answer_to(read_request(stream))
            except BadRequest as problem:
                answer = {"error": str(problem)}
            stream.settimeout(MAX_SECONDS)
            stream.sendall(json.dumps(answer).encode("utf-8"))
            stream.shutdown(socket.SHUT_WR)
            log(f"{name}: {answer.get('status') or answer['error']}")
        except OSError as problem:
            log(f"{name}: the stream broke: {problem.strerror}")


def serve(listener):
    """Accepts clients for ever, each in a thread of its own."""
    places = threading.BoundedSemaphore(MAX_CLIENTS)

    def client(stream, name):
        try:
            serve_client(stream, name)
        finally:
            places.release()

    while True:
        places.acquire()
        stream, peer = listener.accept()
        name = f"CID {peer[0]} port {peer[1]}" if isinstance(peer, tuple) else "client"
        threading.Thread(target=client, args=(stream, name), daemon=True).start()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener:
        listener.bind((socket.VMADDR_CID_ANY, PORT))
        listener.listen(MAX_CLIENTS)
        log(f"listening on vsock port {PORT}")
        serve(listener)


if __name__ == "__main__":
    main()
