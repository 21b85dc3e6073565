"""An enclave program that gets a secret from KMS which nobody else gets.

It listens on vsock port 5000. A request is one JSON object on a line, and so is the answer:

    {"ciphertext": BASE64, "challenge": HEX,
     "credentials": {"AccessKeyId": …, "SecretAccessKey": …}}  →  {"proof": HEX}

The ciphertext is decrypted by KMS, which this program reaches over vsock through the parent: kmstool_enclave_cli
makes a key pair, has the security module attest to it and gets the plaintext encrypted to that key. TLS ends
here, with the CA's certificate that is part of this image. The proof is HMAC-SHA256 of the challenge under the
secret: whoever knows the secret sees that it arrived, and nobody else learns it. What KMS or anybody refuses is
answered {"error": SENTENCE}.

The parent's credentials are no secret of this program: by themselves they can't decrypt, as the key's policy
wants this image's measurement as well.
"""

import base64
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading

PORT = 5000
KMSTOOL = "/app/kmstool_enclave_cli"
CA = "/app/kms-ca.pem"
REGION = os.environ.get("AWS_REGION", "us-east-1")
KMS_PORT = os.environ.get("KMS_PORT", "8000")  # vsock, of the parent
PURPOSE = "samples/kms-secret"
MAX_LINE = 16 * 1024  # bytes
MAX_CHALLENGE = 64  # bytes
MAX_SECONDS = 60  # for a client


class Refused(Exception):
    """Why there is no proof, in words that hold nothing secret."""


def log(sentence):
    print(f"keyholder: {sentence}", flush=True)


def decrypt(ciphertext, credentials):
    """KMS's plaintext of a ciphertext that was encrypted for this program's purpose."""
    environment = {"AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
                   "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"]}
    done = subprocess.run(
        [KMSTOOL, "decrypt", "--region", REGION, "--proxy-port", KMS_PORT, "--ca-file", CA,
         "--encryption-context", f"purpose={PURPOSE}", "--ciphertext", ciphertext],
        env=environment, capture_output=True, timeout=MAX_SECONDS, check=False)
    marker, _, plaintext = done.stdout.strip().partition(b": ")
    if done.returncode != 0 or marker != b"PLAINTEXT":
        # Its first line says why; the last one only that it could not.
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Refused(words[0] if words else f"kmstool_enclave_cli: status {done.returncode}")
    return base64.b64decode(plaintext)


def text_of(request, name):
    value = request.get(name) if isinstance(request, dict) else None
    if not isinstance(value, str):
        raise Refused(f"expected a text {name}, found none")
    return value


def answer_to(line, decrypt_with=decrypt):
    """The answer to one line."""
    try:
        try:
            request = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            # The exception quotes the request, so it stays here.
            raise Refused("expected a JSON object in UTF-8, found something else") from None
        ciphertext = text_of(request, "ciphertext")
        try:
            challenge = bytes.fromhex(text_of(request, "challenge"))
        except ValueError:
            raise Refused("expected the challenge in hexadecimal, found something else") from None
        if not 1 <= len(challenge) <= MAX_CHALLENGE:
            raise Refused(f"expected a challenge of 1 to {MAX_CHALLENGE} bytes, found {len(challenge)}")
        given = request.get("credentials")
        credentials = {name: text_of(given, name) for name in ("AccessKeyId", "SecretAccessKey")}
        secret = decrypt_with(ciphertext, credentials)
        return {"proof": hmac.new(secret, challenge, "sha256").hexdigest()}
    except Refused as problem:
        return {"error": str(problem)}
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        # Of the problem's own words only its kind: they may quote what was given.
        return {"error": f"expected kmstool_enclave_cli to answer, found {type(problem).__name__}"}


def serve_client(stream, name):
    """Answers one client's request and closes its stream."""
    with stream, stream.makefile("rb") as lines:
        try:
            stream.settimeout(MAX_SECONDS)
            answer = answer_to(lines.readline(MAX_LINE))
            stream.sendall(json.dumps(answer).encode("utf-8") + b"\n")
            log(f"{name}: {answer.get('error') or 'proof'}")
        except OSError as problem:
            log(f"{name}: the stream broke: {problem.strerror or problem}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener:
        listener.bind((socket.VMADDR_CID_ANY, PORT))
        listener.listen(16)
        log(f"listening on vsock port {PORT}")
        while True:
            stream, peer = listener.accept()
            threading.Thread(target=serve_client, args=(stream, f"CID {peer[0]} port {peer[1]}"),
                             daemon=True).start()


if __name__ == "__main__":
    main()
