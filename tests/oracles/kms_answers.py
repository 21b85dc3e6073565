"""Debian's python3-cryptography on what the key management service has answered.

Usage: kms_answers.py FILE. FILE is a JSON list of tasks; it prints a JSON list with an answer for
each, byte strings in base64, and ends with 1 and a sentence where something does not hold.

    {"verify": ALGORITHM, "public", "message", "signature", "digest": bool}   → true
    {"sign": ALGORITHM, "private", "message", "digest": bool}                 → the signature
    {"mac": ALGORITHM, "key", "message"}                                      → the code
    {"agree": "ECDH", "private", "public"}                                    → the secret
    {"pair": SPEC, "private", "public"}                                       → true

Keys are DER: PKCS #8 and SubjectPublicKeyInfo. With "digest" message is the digest itself.
"""

import base64
import hmac
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def scheme(name, digest):
    """The arguments that sign and verify take after the message."""
    hashed = HASHES[name[-3:]]
    used = utils.Prehashed(hashed) if digest else hashed
    if name.startswith("ECDSA"):
        return (ec.ECDSA(used),)
    if name.startswith("RSASSA_PSS"):
        return (padding.PSS(padding.MGF1(hashed), hashed.digest_size), used)
    return (padding.PKCS1v15(), used)


def kind_of(key):
    return f"RSA_{key.key_size}" if not hasattr(key, "curve") else f"ECC_NIST_P{key.key_size}"


def do(task):
    def get(name):
        return base64.b64decode(task[name], validate=True)

    def private():
        return serialization.load_der_private_key(get("private"), None)

    def public():
        return serialization.load_der_public_key(get("public"))

    if "verify" in task:
        public().verify(get("signature"), get("message"), *scheme(task["verify"], task["digest"]))
        return True
    if "sign" in task:
        return private().sign(get("message"), *scheme(task["sign"], task["digest"]))
    if "mac" in task:
        return hmac.digest(get("key"), get("message"), "sha" + task["mac"][-3:])
    if "agree" in task:
        return private().exchange(ec.ECDH(), public())
    if kind_of(private()) != task["pair"]:
        sys.exit(f"kms_answers.py: expected {task['pair']}, found {kind_of(private())}")
    if private().public_key().public_numbers() != public().public_numbers():
        sys.exit("kms_answers.py: expected the two halves of a pair, found others")
    return True


def main(path):
    answers = [do(task) for task in json.loads(pathlib.Path(path).read_text())]
    print(json.dumps([base64.b64encode(answer).decode() if isinstance(answer, bytes) else answer
                      for answer in answers]))


main(sys.argv[1])
