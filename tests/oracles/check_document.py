#!/usr/bin/python3
"""A second opinion on attestation documents: shares nothing with Casemate but the format.

    check_document.py --document FILE --root PEM [--at TIME] [--nonce HEX] [--pcr N=HEX]...
                      [--labels software,debug] [--allow-debug] [--shape] [--chain DIRECTORY]

CBOR is Debian's python3-cbor2, certificates and signatures are python3-cryptography. Prints one line for
each thing it looked at. Exit status: 0 when the document is good, 1 when it is refused, 2 when it can't
be judged.

--at      the time of the verification as RFC 3339, or "document" for the document's own; default: now
--labels  the organizational units that zone, instance and leaf must have, beside AWS's own
--shape   the chain must also look like AWS's: names, validity, extensions, serial numbers
--chain   write the certificates there as 0-root.pem to 4-leaf.pem
"""

import argparse
import datetime
import pathlib
import re
import sys

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

UTC = datetime.timezone.utc
LEVELS = ("root", "region", "zone", "instance", "leaf")
FIELDS = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data",
          "nonce")
LIMITS = {"public_key": 1024, "user_data": 1024, "nonce": 1024}


class Refused(Exception):
    """Why a document is no good."""


def expect(condition, what, found):
    """One finding: printed when it holds, the refusal when it does not."""
    if not condition:
        raise Refused(f"expected {what}, found {found}")
    print(f"ok: {what}")


def decoded(data, what):
    """CBOR in its one shortest form, which is what comes out when it is encoded again."""
    try:
        value = cbor2.loads(data)
        same = cbor2.dumps(value) == data
    except Exception as problem:  # The decoder raises errors of many kinds, Unicode's among them.
        raise Refused(f"expected {what} to be CBOR, found: {problem}") from None
    expect(same, f"{what} is CBOR in its shortest form, each key once, nothing behind it",
           "another encoding")
    return value


def sign1(document):
    """The four parts of the COSE_Sign1 structure; the payload as bytes and as a map."""
    message = decoded(document, "the document")
    if isinstance(message, cbor2.CBORTag):
        expect(message.tag == 18, "the tag is COSE_Sign1's, 18", message.tag)
        message = message.value
    expect(isinstance(message, list) and len(message) == 4, "an array of 4", type(message).__name__)
    protected, unprotected, payload, signature = message
    expect(protected == b"\xa1\x01\x38\x22", "the protected header says ES384 and nothing else",
           protected)
    expect(unprotected == {}, "the unprotected header is empty", unprotected)
    expect(isinstance(payload, bytes) and 0 < len(payload) <= 16384, "a payload of at most 16384 bytes",
           type(payload).__name__)
    expect(isinstance(signature, bytes) and len(signature) == 96, "a signature of 96 bytes", signature)
    return protected, payload, signature


def is_bytes(value, most):
    return isinstance(value, bytes) and 1 <= len(value) <= most


def check_payload(fields):
    expect(isinstance(fields, dict) and tuple(fields) == FIELDS, f"the fields {', '.join(FIELDS)}",
           list(fields) if isinstance(fields, dict) else type(fields).__name__)
    expect(isinstance(fields["module_id"], str) and fields["module_id"], "a module_id",
           fields["module_id"])
    expect(fields["digest"] == "SHA384", "the digest SHA384", fields["digest"])
    expect(isinstance(fields["timestamp"], int) and 0 < fields["timestamp"] < 2**63, "a timestamp",
           fields["timestamp"])
    pcrs = fields["pcrs"]
    expect(isinstance(pcrs, dict) and 1 <= len(pcrs) <= 32, "1 to 32 PCRs", pcrs)
    expect(all(type(index) is int and 0 <= index < 32 for index in pcrs), "PCR indices from 0 to 31",
           list(pcrs))
    expect(list(pcrs) == sorted(pcrs), "PCRs in ascending order", list(pcrs))
    expect(all(isinstance(value, bytes) and len(value) == 48 for value in pcrs.values()),
           "PCRs of 48 bytes", pcrs)
    expect(is_bytes(fields["certificate"], 1024), "a certificate of at most 1024 bytes",
           fields["certificate"])
    bundle = fields["cabundle"]
    expect(isinstance(bundle, list) and bundle and all(is_bytes(one, 1024) for one in bundle),
           "a cabundle of certificates of at most 1024 bytes", bundle)
    for name, most in LIMITS.items():
        value = fields[name]
        expect(value is None or (isinstance(value, bytes) and len(value) <= most),
               f"{name}: null or at most {most} bytes", value)


def load(data):
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError as problem:
        raise Refused(f"expected a certificate, found: {problem}") from None


def extension(certificate, oid):
    """(value, critical) of an extension, (None, False) without it."""
    try:
        found = certificate.extensions.get_extension_for_oid(oid)
    except x509.ExtensionNotFound:
        return None, False
    return found.value, found.critical


def usages(certificate):
    """The names of the key usages that are set."""
    value, _ = extension(certificate, ExtensionOID.KEY_USAGE)
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign")
    return {name for name in names if value is not None and getattr(value, name)}


def check_certificate(certificate, name, moment):
    key = certificate.public_key()
    expect(isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1),
           f"{name}: a P-384 key", key)
    expect(certificate.version is x509.Version.v3
           and certificate.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA384,
           f"{name}: version 3, ecdsa-with-SHA384", certificate.signature_algorithm_oid)
    # Not the library's aware times: Debian's version has none yet.
    begin = certificate.not_valid_before.replace(tzinfo=UTC)
    end = certificate.not_valid_after.replace(tzinfo=UTC)
    expect(begin <= moment <= end, f"{name}: valid at {moment.isoformat(timespec='seconds')}",
           f"{begin.isoformat()} to {end.isoformat()}")
    known = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    unknown = [one.oid for one in certificate.extensions if one.critical and one.oid not in known]
    expect(not unknown, f"{name}: no critical extension that is unknown", unknown)


def check_chain(chain, names, moment):
    """chain: root first, leaf last."""
    for index, (certificate, name) in enumerate(zip(chain, names)):
        check_certificate(certificate, name, moment)
        issuer = chain[max(index - 1, 0)]
        expect(certificate.issuer == issuer.subject, f"{name}: issued by the one before it",
               certificate.issuer.rfc4514_string())
        try:
            issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes,
                                       ec.ECDSA(hashes.SHA384()))
        except InvalidSignature:
            raise Refused(f"expected {name} to be signed by the one before it, found otherwise") from None
        print(f"ok: {name}: signed by the one before it")
        constraints, _ = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
        if certificate is chain[-1]:
            expect(constraints is None or not constraints.ca, f"{name}: no authority", constraints)
            expect("digital_signature" in usages(certificate), f"{name}: may sign", usages(certificate))
            continue
        expect(constraints is not None and constraints.ca, f"{name}: an authority", constraints)
        expect("key_cert_sign" in usages(certificate), f"{name}: may sign certificates",
               usages(certificate))
        below = len(chain) - index - 2
        expect(constraints.path_length is None or constraints.path_length >= below,
               f"{name}: allows {below} authorities below it", constraints.path_length)


def check_signature(leaf, protected, payload, signature):
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    pair = utils.encode_dss_signature(int.from_bytes(signature[:48], "big"),
                                      int.from_bytes(signature[48:], "big"))
    try:
        leaf.public_key().verify(pair, message, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Refused("expected the leaf's signature, found another") from None
    print("ok: signed by the leaf")


# What AWS's certificates look like, level by level: relative names in the order in which they stand,
# validity, extensions as (name, critical) and key usages.
SHAPES = {
    "root": (("C", "O", "OU", "CN"), datetime.timedelta(days=10958, hours=1), None,
             "BC! SKI KU!", {"digital_signature", "key_cert_sign", "crl_sign"}),
    "region": (("C", "O", "OU", "CN"), datetime.timedelta(days=20, hours=1), 2,
               "BC! AKI SKI KU!", {"digital_signature", "key_cert_sign", "crl_sign"}),
    "zone": (("CN", "OU", "O", "C", "ST", "L"), None, 1,
             "BC! AKI SKI KU!", {"digital_signature", "key_cert_sign", "crl_sign"}),
    "instance": (("C", "ST", "L", "O", "OU", "CN"), datetime.timedelta(hours=24), 0,
                 "BC! KU!", {"key_cert_sign"}),
    "leaf": (("C", "ST", "L", "O", "OU", "CN"), datetime.timedelta(hours=3, seconds=3), None,
             "BC! KU", {"digital_signature", "content_commitment"}),
}
SHORT_NAMES = {NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST",
               NameOID.LOCALITY_NAME: "L", NameOID.ORGANIZATION_NAME: "O",
               NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.COMMON_NAME: "CN"}
SHORT_EXTENSIONS = {ExtensionOID.BASIC_CONSTRAINTS: "BC", ExtensionOID.KEY_USAGE: "KU",
                    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "AKI",
                    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "SKI"}


def common_name(certificate):
    return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def check_key_identifiers(certificate, issuer, name):
    own, _ = extension(certificate, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    if own is not None:
        expect(own == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()),
               f"{name}: its key's identifier", own)
    other, _ = extension(certificate, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    if other is not None:
        issuer_id, _ = extension(issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
        expect(other.key_identifier == issuer_id.digest, f"{name}: its issuer's key's identifier", other)


def check_shape(chain, fields):
    expect(len(chain) == 5, "five certificates", len(chain))
    for certificate, issuer, name in zip(chain, [chain[0], *chain], LEVELS):
        order, validity, path_length, extensions, key_usage = SHAPES[name]
        # Units may stand there more than once: debug beside the isolation.
        found = [SHORT_NAMES.get(part.oid, part.oid.dotted_string) for part in certificate.subject]
        once = tuple(part for index, part in enumerate(found) if found[index - 1:index] != [part])
        expect(once == order, f"{name}: a name of {', '.join(order)}", found)
        lasts = certificate.not_valid_after - certificate.not_valid_before
        days_5_to_6 = datetime.timedelta(days=5) <= lasts <= datetime.timedelta(days=6)
        expect(lasts == validity if validity else days_5_to_6,
               f"{name}: valid for {validity or '5 to 6 days'}", lasts)
        constraints, _ = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
        expect(constraints.path_length == path_length, f"{name}: path length {path_length}",
               constraints.path_length)
        # Where revocations are published is AWS's alone.
        there = " ".join(SHORT_EXTENSIONS.get(one.oid, one.oid.dotted_string) + "!" * one.critical
                         for one in certificate.extensions
                         if one.oid != ExtensionOID.CRL_DISTRIBUTION_POINTS)
        expect(there == extensions, f"{name}: the extensions {extensions}", there)
        expect(usages(certificate) == key_usage, f"{name}: the usages {', '.join(sorted(key_usage))}",
               usages(certificate))
        check_key_identifiers(certificate, issuer, name)
    check_names(chain, fields)


def check_names(chain, fields):
    """The names and numbers that tie the chain to one enclave."""
    root, region, zone, instance, leaf = map(common_name, chain)
    tail = r"(aws\.nitro-enclaves|[0-9a-f]{16}\.casemate-enclaves)"
    expect(re.fullmatch(tail, root), "root: its common name", root)
    found = re.fullmatch(r"[0-9a-f]{16}\.([a-z0-9-]+)\.(aws\.nitro|casemate)-enclaves", region)
    expect(found, "region: its common name", region)
    where, family = found.groups()
    expect(re.fullmatch(rf"[0-9a-f]{{16}}\.zonal\.{where}\.{family}-enclaves", zone),
           "zone: its common name", zone)
    module = re.fullmatch(r"(i-[0-9a-f]{8}(?:[0-9a-f]{9})?)-enc([0-9a-f]{16})", fields["module_id"])
    expect(module, "a module_id of an instance and a slot", fields["module_id"])
    expect(instance == f"{module[1]}.{where}.{family}-enclaves", "instance: its common name", instance)
    expect(leaf == f"{fields['module_id']}.{where}.{family.removesuffix('.nitro')}",
           "leaf: its common name", leaf)
    made = chain[-1].not_valid_before.replace(tzinfo=UTC) + datetime.timedelta(seconds=3)
    serial = f"{chain[-1].serial_number:032x}"
    expect(serial == module[2] + f"{int(made.timestamp()):016x}",
           "leaf: a serial number of the slot and the time", serial)
    slot = datetime.datetime.fromtimestamp((int(module[2], 16) >> 16) / 1000, UTC)
    # Certificates have whole seconds, slots milliseconds.
    expect(slot < made + datetime.timedelta(seconds=1), "the slot is not younger than the leaf",
           slot.isoformat())
    expect(made.timestamp() * 1000 <= fields["timestamp"] + 999, "the document is not older than the leaf",
           fields["timestamp"])


def check_labels(chain, labels):
    for certificate, name in zip(chain[2:], LEVELS[2:]):
        found = [part.value for part
                 in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
        expect(found == labels, f"{name}: the labels {', '.join(labels)}", found)


def check_expectations(fields, options):
    if options.nonce is not None:
        expect(fields["nonce"] == options.nonce, f"the nonce {options.nonce.hex()}",
               fields["nonce"] and fields["nonce"].hex())
    for index, value in options.pcr:
        expect(fields["pcrs"].get(index) == value, f"PCR{index} {value.hex()}",
               fields["pcrs"].get(index, b"").hex() or "none")
    if not options.allow_debug:
        expect(any(fields["pcrs"].get(0, b"")), "PCR0 that is not zero (debug mode)", "zero")


def write_chain(chain, names, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for index, (certificate, name) in enumerate(zip(chain, names)):
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (directory / f"{index}-{name}.pem").write_bytes(pem)


def check(options):
    protected, payload, signature = sign1(options.document.read_bytes())
    fields = decoded(payload, "the payload")
    check_payload(fields)
    moment = options.at
    if moment == "document":
        moment = datetime.datetime.fromtimestamp(fields["timestamp"] / 1000, UTC)
    chain = [load(data) for data in (*fields["cabundle"], fields["certificate"])]
    names = LEVELS if len(chain) == 5 else [f"certificate {number}" for number in range(len(chain))]
    if options.chain:
        write_chain(chain, names, options.chain)
    trusted = x509.load_pem_x509_certificate(options.root.read_bytes())
    expect(chain[0] == trusted, f"root: {trusted.fingerprint(hashes.SHA256()).hex()}",
           chain[0].fingerprint(hashes.SHA256()).hex())
    check_chain(chain, names, moment)
    check_signature(chain[-1], protected, payload, signature)
    check_expectations(fields, options)
    if options.labels:
        check_labels(chain, options.labels)
    if options.shape:
        check_shape(chain, fields)


def moment_of(text):
    if text == "document":
        return text
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


def register_of(text):
    index, _, value = text.partition("=")
    return int(index), bytes.fromhex(value)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Check an attestation document.")
    parser.add_argument("--document", type=pathlib.Path, required=True)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--at", type=moment_of, default=datetime.datetime.now(UTC))
    parser.add_argument("--nonce", type=bytes.fromhex)
    parser.add_argument("--pcr", type=register_of, action="append", default=[])
    parser.add_argument("--labels", type=lambda text: text.split(","))
    parser.add_argument("--allow-debug", action="store_true")
    parser.add_argument("--shape", action="store_true")
    parser.add_argument("--chain", type=pathlib.Path)
    options = parser.parse_args(arguments)
    try:
        check(options)
    except Refused as problem:
        print(f"refused: {problem}")
        return 1
    except (OSError, ValueError) as problem:
        print(f"check_document: {problem}", file=sys.stderr)
        return 2
    print("good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
