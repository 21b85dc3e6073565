"""KMS inside an enclave for Python programs: this file, the standard library and libcasemate-kms.

    import casemate_kms

    kms = casemate_kms.Client(access_key_id=identifier, secret_access_key=secret)
    password = kms.decrypt(ciphertext, key_id=key, context={"purpose": "database"})
    key = kms.generate_data_key(key_id, context={"purpose": "cache"})     # key.plaintext, key.ciphertext

Copy this file into the container image, beside the program, and libcasemate-kms.so.0 beside it or to
where the dynamic linker looks. Python 3.9 or newer, Linux with glibc.

What KMS would tell in the clear is always asked for with an attestation document of this enclave, and
comes encrypted for it; an answer in the clear is refused. Whoever carries the bytes outside sees no
secret, but may hand this enclave another ciphertext that it may decrypt too: say with a context what
each ciphertext is for, and name the key.

Secrets are bytes objects, which Python keeps and copies as it likes: nothing overwrites them.

A client may be used from several threads. Everything raises KmsError.
"""

import base64
import ctypes
import json
import os
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Tuple

__all__ = ["Client", "DataKey", "DataKeyPair", "KmsError"]

_LIBRARY = "libcasemate-kms.so.0"


class KmsError(Exception):
    """KMS refused, or could not be asked.

    type is KMS's exception ("AccessDeniedException", …), or one of bad_argument, no_module,
    not_connected, untrusted_server, timed_out, bad_answer, plaintext_answer, not_opened, internal,
    out_of_memory (casemate/kms.h). status is that of HTTP where KMS refused, else 0; request_id is
    what its audit log knows the request by, and may be empty.
    """

    def __init__(self, type: str, message: str, status: int = 0, request_id: str = ""):
        super().__init__(type, message)
        self.type = type
        self.message = message
        self.status = status
        self.request_id = request_id

    def __str__(self):
        return f"{self.type}: {self.message}" if self.message else self.type


class DataKey(NamedTuple):
    """A key to be used, the same encrypted by KMS to be kept, and by which of its keys."""
    plaintext: bytes
    ciphertext: bytes
    key_id: str


class DataKeyPair(NamedTuple):
    """A private key (PKCS #8, DER), the same encrypted by KMS, the public key (DER), KMS's key."""
    private_key: bytes
    private_key_ciphertext: bytes
    public_key: bytes
    key_id: str


class Client:
    """A client of KMS: one RSA key of 2,048 bits, made with the first call that needs it, and a new
    attestation document with each call, which makes a connection of its own.

    region          that requests are signed for
    host            what the server's certificate must be for; default: kms.REGION.amazonaws.com
    address         "vsock:CID:PORT"; outside of an enclave "unix:PATH" or "tcp:IP:PORT"
    ca_file         the certificates, in PEM, of which one must vouch for the server; default: the file
                    that AWS_CA_BUNDLE, or else SSL_CERT_FILE, names, or else
                    /etc/ssl/certs/ca-certificates.crt
    timeout         seconds to connect and shake hands, and again for the exchange
    attest          gives a document for a public key (DER); default: the enclave's security module
    """

    def __init__(self, *, access_key_id: str, secret_access_key: str,
                 session_token: Optional[str] = None, region: str = "us-east-1",
                 host: Optional[str] = None, address: str = "vsock:3:8000",
                 ca_file: Optional[str] = None, timeout: float = 30,
                 attest: Optional[Callable[[bytes], bytes]] = None):
        if not 0 < timeout <= 4000000:
            raise KmsError("bad_argument", f"expected a timeout above 0 seconds, got {timeout}")
        # The library calls it for as long as the client lives.
        self._attest = _Attest(_attestor(attest)) if attest else _Attest()
        options = _Options(ctypes.sizeof(_Options), _text(region), _text(host), _text(address),
                           _text(ca_file), _text(access_key_id), _text(secret_access_key),
                           _text(session_token), max(1, round(timeout * 1000)), self._attest, None)
        self._client = None
        self._library = _library()
        self._client = self._ask("client_new", ctypes.byref(options))

    def __del__(self):
        if getattr(self, "_client", None):
            self._library.casemate_kms_client_free(self._client)

    def set_credentials(self, access_key_id: str, secret_access_key: str,
                        session_token: Optional[str] = None) -> None:
        """For temporary ones, which expire: calls that begin later sign with them."""
        self._ask("client_set_credentials", self._client, _text(access_key_id),
                  _text(secret_access_key), _text(session_token))

    def decrypt(self, ciphertext: bytes, key_id: Optional[str] = None,
                context: Optional[Dict[str, str]] = None, algorithm: Optional[str] = None,
                grant_tokens: Iterable[str] = ()) -> bytes:
        """The plaintext of a ciphertext of KMS's."""
        return self._request("Decrypt", context, grant_tokens, KeyId=key_id,
                             CiphertextBlob=_base64(ciphertext), EncryptionAlgorithm=algorithm)[1]

    def encrypt(self, key_id: str, plaintext: bytes, context: Optional[Dict[str, str]] = None,
                algorithm: Optional[str] = None, grant_tokens: Iterable[str] = ()) -> bytes:
        """A ciphertext of KMS's."""
        answer, _ = self._request("Encrypt", context, grant_tokens, KeyId=key_id,
                                  Plaintext=_base64(plaintext), EncryptionAlgorithm=algorithm)
        return _bytes(answer, "CiphertextBlob")

    def generate_data_key(self, key_id: str, spec: str = "AES_256",
                          context: Optional[Dict[str, str]] = None,
                          number_of_bytes: Optional[int] = None,
                          grant_tokens: Iterable[str] = ()) -> DataKey:
        """A new key: AES_256 or AES_128, or of number_of_bytes."""
        answer, key = self._request("GenerateDataKey", context, grant_tokens, KeyId=key_id,
                                    KeySpec=spec if number_of_bytes is None else None,
                                    NumberOfBytes=number_of_bytes)
        size = number_of_bytes or {"AES_256": 32, "AES_128": 16}.get(spec)
        return DataKey(_sized(key, size), _bytes(answer, "CiphertextBlob"), _field(answer, "KeyId"))

    def generate_data_key_pair(self, key_id: str, spec: str,
                               context: Optional[Dict[str, str]] = None,
                               grant_tokens: Iterable[str] = ()) -> DataKeyPair:
        """A new pair of keys: RSA_2048, ECC_NIST_P256, …"""
        answer, key = self._request("GenerateDataKeyPair", context, grant_tokens, KeyId=key_id,
                                    KeyPairSpec=spec)
        return DataKeyPair(key, _bytes(answer, "PrivateKeyCiphertextBlob"),
                           _bytes(answer, "PublicKey"), _field(answer, "KeyId"))

    def generate_random(self, number_of_bytes: int) -> bytes:
        """Random bytes, up to 1,024."""
        return _sized(self._request("GenerateRandom", NumberOfBytes=number_of_bytes)[1],
                      number_of_bytes)

    def derive_shared_secret(self, key_id: str, public_key: bytes, algorithm: str = "ECDH",
                             grant_tokens: Iterable[str] = ()) -> bytes:
        """The raw secret that KMS's key shares with another's public key (DER). It is not uniform: keys
        are to be derived from it."""
        return self._request("DeriveSharedSecret", None, grant_tokens, KeyId=key_id,
                             PublicKey=_base64(public_key), KeyAgreementAlgorithm=algorithm)[1]

    def call(self, operation: str, request: dict) -> Tuple[dict, bytes]:
        """Any operation of KMS by its name: its answer, and what came encrypted for this enclave. The
        five that answer so (Decrypt, …) get their Recipient here; others answer b""."""
        text = json.dumps(request).encode()
        answer = self._ask("call", self._client, _text(operation), text, len(text))
        try:
            size = ctypes.c_size_t()
            secret = self._library.casemate_kms_answer_secret(answer, ctypes.byref(size))
            # Some operations answer nothing.
            told = json.loads(self._library.casemate_kms_answer_json(answer) or b"{}")
            return told, ctypes.string_at(secret, size.value) if secret else b""
        finally:
            self._library.casemate_kms_answer_free(answer)

    def _request(self, operation, context=None, grant_tokens=(), **members):
        members.update(EncryptionContext=dict(context) if context else None,
                       GrantTokens=list(grant_tokens) or None)
        return self.call(operation, {name: value for name, value in members.items()
                                     if value is not None})

    def _ask(self, function, *arguments):
        """What a function of the library returns; KmsError where it fails."""
        error = ctypes.c_void_p()
        returned = getattr(self._library, f"casemate_kms_{function}")(*arguments,
                                                                      ctypes.byref(error))
        if returned:
            return returned
        try:
            text = [getattr(self._library, f"casemate_kms_error_{part}")(error).decode()
                    for part in ("type", "message", "request_id")]
            raise KmsError(text[0], text[1], self._library.casemate_kms_error_status(error), text[2])
        finally:
            self._library.casemate_kms_error_free(error)


# --- members of answers -------------------------------------------------------------------------------


def _field(answer, name):
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise KmsError("bad_answer", f"expected {name} in KMS's answer, found none")
    return value


def _bytes(answer, name):
    try:
        return base64.b64decode(_field(answer, name), validate=True)
    except ValueError:
        raise KmsError("bad_answer", f"expected {name} in base64 in KMS's answer, found "
                                     "another text") from None


def _sized(secret, size):
    if size is not None and len(secret) != size:
        raise KmsError("bad_answer", f"expected {size} bytes of KMS, found {len(secret)}")
    return secret


def _base64(data):
    return base64.b64encode(bytes(data)).decode()


# --- the library (casemate/kms.h) -----------------------------------------------------------------------


_Attest = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                           ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t))


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("region", ctypes.c_char_p), ("host", ctypes.c_char_p),
                ("address", ctypes.c_char_p), ("ca_file", ctypes.c_char_p),
                ("access_key_id", ctypes.c_char_p), ("secret_access_key", ctypes.c_char_p),
                ("session_token", ctypes.c_char_p), ("timeout_ms", ctypes.c_uint32),
                ("attest", _Attest), ("attest_context", ctypes.c_void_p)]


def _text(value):
    if value is None:
        return None
    encoded = value.encode()
    if b"\0" in encoded:
        raise KmsError("bad_argument", "expected a text without NUL, got one")
    return encoded


def _attestor(attest):
    def attestor(_context, key, key_size, document, document_size):
        try:
            made = bytes(attest(ctypes.string_at(key, key_size)))
        except Exception:  # No exception crosses the library; it tells that there is no document.
            return False
        if len(made) > document_size[0]:
            return False
        ctypes.memmove(document, made, len(made))
        document_size[0] = len(made)
        return True
    return attestor


_loaded = None


def _library():
    """The library: beside this file, or else where the dynamic linker finds it."""
    global _loaded
    if _loaded is None:
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), _LIBRARY)
        library = ctypes.CDLL(beside if os.path.exists(beside) else _LIBRARY)
        pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        for name, result, arguments in (
                ("client_new", pointer, (pointer, pointer)),
                ("client_free", None, (pointer,)),
                ("client_set_credentials", ctypes.c_bool, (pointer, text, text, text, pointer)),
                ("call", pointer, (pointer, text, text, size, pointer)),
                ("answer_secret", pointer, (pointer, pointer)),
                ("answer_json", text, (pointer,)),
                ("answer_free", None, (pointer,)),
                ("error_type", text, (pointer,)),
                ("error_message", text, (pointer,)),
                ("error_request_id", text, (pointer,)),
                ("error_status", ctypes.c_int, (pointer,)),
                ("error_free", None, (pointer,))):
            function = getattr(library, f"casemate_kms_{name}")
            function.restype = result
            function.argtypes = arguments
        _loaded = library
    return _loaded
