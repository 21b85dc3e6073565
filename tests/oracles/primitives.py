"""Debian's python3-cryptography does what src/crypto does, on the same keys and messages.

Usage: primitives.py DIRECTORY. It reads what the test wrote there, one file a value, checks it, and
writes its own half beside it, each name with "their_" in front. It ends with 1 and a sentence where
something does not hold.
"""

import pathlib
import sys

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(),
          "sha512": hashes.SHA512()}


def expect(holds, what):
    if not holds:
        sys.exit(f"primitives.py: expected {what}, found another")


def oaep(name):
    return padding.OAEP(padding.MGF1(HASHES[name]), HASHES[name], None)


def pss(name):
    return padding.PSS(padding.MGF1(HASHES[name]), HASHES[name].digest_size)


def main(directory):
    def get(name):
        return (directory / name).read_bytes()

    def put(name, value):
        (directory / f"their_{name}").write_bytes(value)

    message = get("message")
    rsa = serialization.load_der_private_key(get("rsa"), None)
    public = serialization.load_der_public_key(get("rsa_public"))
    expect(rsa.public_key().public_numbers() == public.public_numbers(), "one key of RSA")
    for name in ("sha1", "sha256"):
        expect(rsa.decrypt(get(f"oaep_{name}"), oaep(name)) == message, f"OAEP with {name}")
        put(f"oaep_{name}", public.encrypt(message, oaep(name)))
    for name in ("sha256", "sha384", "sha512"):
        public.verify(get(f"pss_{name}"), message, pss(name), HASHES[name])
        put(f"pss_{name}", rsa.sign(message, pss(name), HASHES[name]))
        # This one has one value.
        own = rsa.sign(message, padding.PKCS1v15(), HASHES[name])
        expect(get(f"pkcs1_{name}") == own, f"PKCS #1 with {name}")
    wrapping_key = get("wrapping_key")
    expect(keywrap.aes_key_unwrap_with_padding(wrapping_key, get("wrapped")) == message,
           "a wrapped key")
    expect(keywrap.aes_key_wrap_with_padding(wrapping_key, message) == get("wrapped"),
           "the same wrapped key")
    expect(AESGCM(wrapping_key).decrypt(get("nonce"), get("sealed"), b"context") == message,
           "AES-256-GCM")
    expect(HKDF(hashes.SHA256(), 100, b"salt", b"info").derive(wrapping_key) == get("derived"),
           "HKDF")
    for curve, name in (("p256", "sha256"), ("p384", "sha384"), ("p521", "sha512")):
        key = serialization.load_der_private_key(get(curve), None)
        key.public_key().verify(get(f"ecdsa_{curve}"), message, ec.ECDSA(HASHES[name]))
        digest = hashes.Hash(HASHES[name])
        digest.update(message)
        put(f"ecdsa_{curve}",
            key.sign(digest.finalize(), ec.ECDSA(utils.Prehashed(HASHES[name]))))
        peer = serialization.load_der_public_key(get(f"peer_{curve}"))
        expect(key.exchange(ec.ECDH(), peer) == get(f"agreed_{curve}"), f"ECDH on {curve}")
        put(curve, ec.generate_private_key(key.curve).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))


main(pathlib.Path(sys.argv[1]))
