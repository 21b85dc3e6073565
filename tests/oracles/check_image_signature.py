#!/usr/bin/python3
"""A second opinion on signed enclave images: shares nothing with Casemate but the format.

    check_image_signature.py EIF

CBOR is Debian's python3-cbor2, certificates and signatures are python3-cryptography. Prints PCR8 in
hexadecimal and exits with 0 when the signature is the certificate's key's over the image's PCR0; exits with
1, saying why, when it is not.
"""

import hashlib
import pathlib
import struct
import sys

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

KERNEL, CMDLINE, RAMDISK, SIGNATURE = 1, 2, 3, 4
# By curve: COSE's number of the algorithm, its digest, the size of one half of a signature.
ALGORITHMS = {"secp256r1": (-7, hashes.SHA256(), 32), "secp384r1": (-35, hashes.SHA384(), 48),
              "secp521r1": (-36, hashes.SHA512(), 66)}


class Refused(Exception):
    """Why a signature is no good."""


def expect(condition, sentence):
    if not condition:
        raise Refused(f"expected {sentence}")


def register(content):
    return hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).digest()


def sections(image):
    """The (type, data) of an image, walked from header to header and compared with its tables."""
    count, = struct.unpack_from(">H", image, 0x1a)
    offsets, sizes = (struct.unpack_from(">32Q", image, at) for at in (0x1c, 0x11c))
    at, found = 548, []
    while at < len(image):
        kind, flags, size = struct.unpack_from(">HHQ", image, at)
        number = len(found)
        expect(number < count and (offsets[number], sizes[number], flags) == (at, size, 0),
               f"section {number} where and as long as the tables say")
        found.append((kind, image[at + 12:at + 12 + size]))
        at += 12 + size
    expect((len(found), at) == (count, len(image)), "as many sections as the header says")
    return found


def check(image):
    """PCR8 of a well signed image."""
    found = sections(image)
    pcr0 = register(b"".join(data for kind, data in found if kind in (KERNEL, CMDLINE, RAMDISK)))
    signatures = [data for kind, data in found if kind == SIGNATURE]
    expect(len(signatures) == 1, "one signature section")
    section = cbor2.loads(signatures[0])
    expect(cbor2.dumps(section) == signatures[0], "CBOR in its shortest form")
    expect(len(section) == 1 and list(section[0]) == ["signing_certificate", "signature"],
           "an array of one map of two keys")
    certificate = x509.load_pem_x509_certificate(bytes(section[0]["signing_certificate"]))
    key = certificate.public_key()
    expect(isinstance(key, ec.EllipticCurvePublicKey), "a key on a curve")
    number, digest, half = ALGORITHMS[key.curve.name]
    protected, unprotected, payload, signature = cbor2.loads(bytes(section[0]["signature"]))
    expect((cbor2.loads(protected), unprotected) == ({1: number}, {}), "the key's algorithm alone")
    expect(payload == cbor2.dumps({"register_index": 0, "register_value": list(pcr0)}),
           f"a signature over PCR0 {pcr0.hex()}")
    expect(len(signature) == 2 * half, f"a signature of {2 * half} bytes")
    numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    try:
        key.verify(utils.encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
    except InvalidSignature:
        raise Refused("expected the certificate's key's signature, found another") from None
    return register(certificate.public_bytes(serialization.Encoding.DER))


def main():
    try:
        print(check(pathlib.Path(sys.argv[1]).read_bytes()).hex())
    except Refused as why:
        print(f"refused: {why}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
