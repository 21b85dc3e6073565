#!/usr/bin/env python3
"""Asks the tokenizer in an enclave for the token of a card number.

    parent.py --cid 16 4111111111111111
    parent.py --cid 16 --wait 30 4111111111111111    # the enclave has only just started

The parent reaches an enclave's vsock ports through the unix socket RUNTIME/cid/CID: it writes
"CONNECT PORT", reads "OK ...", and from then on the socket is the stream. Exit status: 0 with a token,
1 when the tokenizer answers an error, 2 when it can't be reached.
"""

import argparse
import json
import os
import socket
import sys
import time

MAX_ANSWER = 64 * 1024  # bytes
SECONDS = 30


class Unreachable(Exception):
    """Why there is no stream to the enclave, or no answer."""


def runtime_directory(environment=os.environ, user=None):
    """Where Casemate keeps the sockets of running enclaves."""
    if environment.get("CASEMATE_RUNTIME_DIR"):
        return environment["CASEMATE_RUNTIME_DIR"]
    if (os.geteuid() if user is None else user) == 0:
        return "/run/casemate"
    if environment.get("XDG_RUNTIME_DIR"):
        return os.path.join(environment["XDG_RUNTIME_DIR"], "casemate")
    state = environment.get("CASEMATE_STATE_DIR") or os.path.join(
        environment.get("HOME", "/"), ".local/share/casemate")
    return os.path.join(state, "run")


def read_line(stream):
    """Reads up to a newline and not a byte more, which would be the enclave's."""
    line = bytearray()
    while not line.endswith(b"\n"):
        letter = stream.recv(1)
        if not letter or len(line) > 64:
            raise Unreachable("expected \"OK\", found the connection refused: does the enclave listen "
                              "on that port yet?")
        line += letter
    return line.decode("ascii", "replace").rstrip("\n")


def connect(path, port):
    """A stream to an enclave's vsock port through the socket at path."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(SECONDS)
    try:
        stream.connect(path)
        stream.sendall(f"CONNECT {port}\n".encode("ascii"))
        line = read_line(stream)
        if not line.startswith("OK "):
            raise Unreachable(f"expected \"OK\", found \"{line}\"")
    except OSError as problem:
        stream.close()
        raise Unreachable(f"expected an enclave's socket at {path}, found: "
                          f"{problem.strerror or problem}") from None
    except Unreachable:
        stream.close()
        raise
    return stream


def connect_within(path, port, seconds):
    """connect, again and again for some seconds while the program in the enclave still starts."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect(path, port)
        except Unreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)


def ask(stream, card_number):
    """Sends the request, ends this side of the stream, and gives the answer."""
    try:
        stream.sendall(json.dumps({"card_number": card_number}).encode("utf-8"))
        stream.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := stream.recv(4096):
            answer += piece
            if len(answer) > MAX_ANSWER:
                raise Unreachable(f"expected at most {MAX_ANSWER} bytes, found more")
    except OSError as problem:
        raise Unreachable(f"expected an answer, found: {problem.strerror or problem}") from None
    try:
        message = json.loads(answer.decode("utf-8"))
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise Unreachable(f"expected a JSON object as the answer, found {len(answer)} bytes of "
                          "something else")
    return message


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Ask the tokenizer in an enclave for a token.")
    parser.add_argument("--cid", type=int, required=True, help="the enclave's context id")
    parser.add_argument("--port", type=int, default=5000, help="the tokenizer's vsock port")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS",
                        help="try that long until the tokenizer listens")
    parser.add_argument("card", help="the card number, 12 to 19 digits")
    options = parser.parse_args(arguments)
    path = os.path.join(runtime_directory(), "cid", str(options.cid))
    try:
        with connect_within(path, options.port, options.wait) as stream:
            answer = ask(stream, options.card)
    except Unreachable as problem:
        print(f"parent: {problem}", file=sys.stderr)
        return 2
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
