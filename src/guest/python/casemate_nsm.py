"""The enclave's security module for Python programs: one file, nothing but the standard library.

    import casemate_nsm

    document = casemate_nsm.attest(nonce=nonce, public_key=key)   # COSE_Sign1, to be sent as it is
    casemate_nsm.extend(16, configuration)                        # measure what was loaded …
    casemate_nsm.lock(16)                                         # … and let nobody change it
    casemate_nsm.pcr(0).value.hex()

Copy this file into the container image, beside the program. The device and its messages are those of
AWS's Nitro Enclaves. Python 3.9 or newer, Linux on a 64-bit machine.

The functions may be called from several threads; the kernel's driver takes one request after another.
They raise NsmError when the module refuses, and OSError when the device is missing or does not work.
"""

import array
import errno
import fcntl
import os
import struct
from typing import NamedTuple, Optional, Tuple

__all__ = ["Description", "NsmError", "Pcr", "attest", "describe", "extend", "lock", "lock_range",
           "pcr", "random"]

DEVICE = "/dev/nsm"

# The driver's limits in bytes (linux/nsm.h): of a request, of a response.
MAX_REQUEST = 0x1000
MAX_RESPONSE = 0x3000
# _IOWR(0x0A, 0, struct nsm_raw): the addresses and sizes of the request and of the response.
_IOCTL_RAW = 0xC0200A00
_RAW = struct.Struct("=QQQQ")

# What the module says when it refuses; "Success" is none of them.
_CODES = frozenset(("InvalidArgument", "InvalidIndex", "InvalidResponse", "ReadOnlyIndex",
                    "InvalidOperation", "BufferTooSmall", "InputTooLarge", "InternalError"))


class NsmError(Exception):
    """The module refused a request, or its answer was not one.

    code is the protocol's name of the reason: InvalidArgument, InvalidIndex, InvalidResponse,
    ReadOnlyIndex, InvalidOperation, BufferTooSmall, InputTooLarge or InternalError.
    """

    def __init__(self, code: str, detail: str):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self):
        return f"{self.code}: {self.detail}"


class Description(NamedTuple):
    """What describe() tells of the module."""
    module_id: str
    digest: str
    max_pcrs: int
    locked_pcrs: Tuple[int, ...]
    version: Tuple[int, int, int]


class Pcr(NamedTuple):
    """A platform configuration register: its value, and whether it can still be extended."""
    value: bytes
    locked: bool


def describe() -> Description:
    """The module's identity, its version, and which registers are locked."""
    fields = _ask("DescribeNSM")
    locked = _field(fields, "locked_pcrs", list)
    if not all(type(index) is int for index in locked):
        raise _invalid("locked_pcrs holds something else than numbers")
    return Description(_field(fields, "module_id", str), _field(fields, "digest", str),
                       _field(fields, "max_pcrs", int), tuple(sorted(locked)),
                       (_field(fields, "version_major", int), _field(fields, "version_minor", int),
                        _field(fields, "version_patch", int)))


def pcr(index: int) -> Pcr:
    """The register index. NsmError InvalidIndex: there is none of this number."""
    fields = _ask("DescribePCR", {"index": _small(index)})
    return Pcr(_field(fields, "data", bytes), _field(fields, "lock", bool))


def extend(index: int, data: bytes) -> bytes:
    """Makes the register SHA384(its value ‖ data) and returns the new value.

    NsmError ReadOnlyIndex: it is locked; 0 to 15 always are.
    """
    return _field(_ask("ExtendPCR", {"index": _small(index), "data": bytes(data)}), "data", bytes)


def lock(index: int) -> None:
    """Locks one register for good, so that attestation documents carry it.

    NsmError ReadOnlyIndex: it is locked already.
    """
    _ask("LockPCR", {"index": _small(index)})


def lock_range(count: int) -> None:
    """Locks the registers 0 to count - 1, of which some may be locked already."""
    _ask("LockPCRs", {"range": _small(count)})


def attest(user_data: Optional[bytes] = None, nonce: Optional[bytes] = None,
           public_key: Optional[bytes] = None) -> bytes:
    """An attestation document: an untagged COSE_Sign1 that carries what was given, each up to 1,024
    bytes, beside the locked registers and the module's certificates.

    A nonce from whoever verifies the document proves that it is fresh; public_key (DER) is a key of
    this enclave's, so that others can encrypt to it. NsmError InputTooLarge: more than fits.
    """
    given = {"user_data": user_data, "nonce": nonce, "public_key": public_key}
    fields = {name: None if value is None else bytes(value) for name, value in given.items()}
    return _field(_ask("Attestation", fields), "document", bytes)


def random(size: int = 256) -> bytes:
    """size bytes from the module's random number generator, which gives 256 at a time."""
    if size < 0:
        raise ValueError(f"expected a size of 0 or more, got {size}")
    gathered = bytearray()
    while len(gathered) < size:
        block = _field(_ask("GetRandom"), "random", bytes)
        if not block:
            raise _invalid("no random bytes")
        gathered += block
    return bytes(gathered[:size])


# --- requests ---------------------------------------------------------------------------------------


def _ask(name, fields=None):
    """The fields of the response to one request; an empty dictionary when it has none."""
    request = _encode(name if fields is None else {name: fields})
    if len(request) > MAX_REQUEST:
        raise NsmError("InputTooLarge", f"expected a request of up to {MAX_REQUEST} bytes, got "
                                        f"{len(request)}")
    response = _decode(_exchange(request))
    if response == name:
        return {}
    if type(response) is not dict or len(response) != 1:
        raise _invalid(f"not a response to {name}")
    (answered, content), = response.items()
    if answered == "Error" and type(content) is str and content in _CODES:
        raise NsmError(content, f"the security module refused {name}")
    if answered != name or type(content) is not dict:
        raise _invalid(f"not a response to {name}")
    return content


def _exchange(request):
    """Sends one request's bytes to the module and returns the bytes that it answers."""
    try:
        device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "No security module (not in an enclave?)",
                                DEVICE) from None
    try:
        question = array.array("B", request)
        answer = array.array("B", bytes(MAX_RESPONSE))
        raw = bytearray(_RAW.pack(*question.buffer_info(), *answer.buffer_info()))
        fcntl.ioctl(device, _IOCTL_RAW, raw, True)
        size = _RAW.unpack(raw)[3]
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            raise NsmError("InputTooLarge", "the driver takes no request of this size") from error
        raise
    finally:
        os.close(device)
    if size > MAX_RESPONSE:
        raise _invalid(f"the driver tells of {size} bytes in a buffer of {MAX_RESPONSE}")
    return answer[:size].tobytes()


def _small(number):
    """A register's index as the protocol has it: 16 bits. The module tells which of them exist."""
    if not 0 <= number <= 0xFFFF:
        raise NsmError("InvalidIndex", f"expected 0 to 65535, got {number}")
    return int(number)


def _field(fields, name, kind):
    value = fields.get(name)
    if type(value) is not kind:
        raise _invalid(f"expected {name} of type {kind.__name__}, got {type(value).__name__}")
    return value


def _invalid(detail):
    return NsmError("InvalidResponse", detail)


# --- CBOR (RFC 8949): what these messages are made of, in definite lengths ----------------------------

_UINT, _BYTES, _TEXT, _ARRAY, _MAP = 0, 2, 3, 4, 5
_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}
_MAX_DEPTH = 4


def _head(major, value):
    if value < 24:
        return bytes((major << 5 | value,))
    for additional, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes((major << 5 | additional,)) + value.to_bytes(size, "big")
    raise OverflowError("expected a number of up to 64 bits")


def _encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(_UINT, value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(_TEXT, len(text)) + text
    pairs = b"".join(_encode(key) + _encode(content) for key, content in value.items())
    return _head(_MAP, len(value)) + pairs


def _decode(data):
    """The one item that data is; NsmError InvalidResponse for anything else."""
    value, end = _item(data, 0, _MAX_DEPTH)
    if end != len(data):
        raise _invalid(f"{len(data) - end} bytes after the response")
    return value


def _take(data, start, size):
    if size > len(data) - start:
        raise _invalid("the response is cut short")
    return data[start:start + size], start + size


def _item(data, start, depth):
    """The item at start, and where it ends."""
    (first,), start = _take(data, start, 1)
    if first in _SIMPLE:
        return _SIMPLE[first], start
    major, value = first >> 5, first & 31
    if value > 27 or major not in (_UINT, _BYTES, _TEXT, _ARRAY, _MAP):
        raise _invalid(f"a response of an unknown kind (0x{first:02x})")
    if value > 23:
        raw, start = _take(data, start, 1 << value - 24)
        value = int.from_bytes(raw, "big")
    if major == _UINT:
        return value, start
    if major in (_BYTES, _TEXT):
        content, start = _take(data, start, value)
        return (content if major == _BYTES else _text(content)), start
    return _container(data, start, depth, major, value)


def _text(content):
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _invalid("text that is not UTF-8") from None


def _container(data, start, depth, major, count):
    # Each item takes a byte, so a count that lies ends at the end of the data.
    if depth == 0:
        raise _invalid("a response nested too deeply")
    if major == _ARRAY:
        items = []
        for _ in range(count):
            item, start = _item(data, start, depth - 1)
            items.append(item)
        return items, start
    pairs = {}
    for _ in range(count):
        key, start = _item(data, start, depth - 1)
        if type(key) is not str or key in pairs:
            raise _invalid("a response's key that is no text, or comes twice")
        pairs[key], start = _item(data, start, depth - 1)
    return pairs, start
