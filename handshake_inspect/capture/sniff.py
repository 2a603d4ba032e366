"""Recognise a file by its first bytes: pcap, pcapng, or something else that the error message can name."""

import re

from handshake_inspect.capture import fields
from handshake_inspect.capture.blocks import BYTE_ORDER_MAGIC, unsupported_version
from handshake_inspect.capture.codecs import codec_of
from handshake_inspect.capture.pcap import MAGICS, is_file_header

PCAPNG = b"\x0a\x0d\x0d\x0a"
SNIFF_LEN = 16  # bytes needed to recognise a file
MIN_HEADER_LEN = {"pcap": 24, "pcapng": 28}  # bytes; a pcapng section header with options is longer
_MAX_HEADER_LEN = 1 << 20  # bytes of a pcapng section header with its options

_TWO_LAYERS = "decompress it once first: hsi undoes only one layer of compression"
_CONVERT = "install tshark, with which hsi reads it, or convert it first: editcap -F pcapng FILE OUT"

# First bytes, file type, and what the user can do about it.
_FILE_TYPES = (
    (b"\x1f\x9d", "data of compress(1)", "decompress it first: uncompress -c FILE | hsi analyze -"),
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x FILE"),
    (b"snoop\x00\x00\x00", "a snoop capture", _CONVERT),
    (b"GMBU", "a Microsoft Network Monitor capture", _CONVERT),
    (b"RTSS", "a Microsoft Network Monitor 1 capture", _CONVERT),
    (b"TRSNIFF data", "a Sniffer capture", _CONVERT),
    (b"\x54\x52\x00\x64", "an EyeSDN capture", _CONVERT),
    (b"5VIEW", "an Accellent 5Views capture", _CONVERT),
    (b"\x7fver", "a Savvius/Omnipeek capture", _CONVERT),
    (b"ETL", "an event trace", "convert it first, for example with etl2pcapng"),
    (b"\x7fELF", "an ELF program", ""),
    (b"MZ", "a Windows program", ""),
    (b"%PDF", "a PDF document", ""),
    (b"SQLite format 3", "an SQLite database", ""),
    (b"\x89PNG", "a PNG image", ""),
    (b"<?xml", "XML", ""),
)
_DEFAULT_FIX = "give a pcap or pcapng file, as tcpdump -w or Wireshark write it"


def container(head: bytes) -> str | None:
    """Return `pcap` or `pcapng` if `head` begins with its magic number, else None."""
    if head.startswith(PCAPNG):
        return "pcapng"
    if int.from_bytes(head[:4], "big") in MAGICS:
        return "pcap"
    return None


def header_error(kind: str, header: bytes) -> str | None:
    """Return why hsi cannot read this file header (its first MIN_HEADER_LEN bytes), None if it can."""
    if kind == "pcap":
        big = MAGICS[int.from_bytes(header[:4], "big")][0]
        version = f"{fields.u16(header, 4, big)}.{fields.u16(header, 6, big)}"
        return None if is_file_header(header) else f"its header claims pcap version {version}, which does not exist"
    big = fields.u32(header, 8, True) == BYTE_ORDER_MAGIC
    if not big and fields.u32(header, 8, False) != BYTE_ORDER_MAGIC:
        return "it begins like pcapng, but without the byte-order magic"
    length = fields.u32(header, 4, big)
    if length < MIN_HEADER_LEN["pcapng"] or length & 3:
        return f"its pcapng section header claims an impossible {length} bytes"
    unknown = unsupported_version(header, 0, big)
    return None if unknown is None else f"its header claims pcapng version {unknown}, which does not exist"


def header_len(kind: str, header: bytes) -> int:
    """Return the full length in bytes of a valid file header, capped at what is worth waiting for."""
    if kind == "pcap":
        return MIN_HEADER_LEN[kind]
    return min(fields.u32(header, 4, fields.u32(header, 8, True) == BYTE_ORDER_MAGIC), _MAX_HEADER_LEN)


def identify(head: bytes) -> tuple[str, str]:
    """Describe a file that is not a capture: what it seems to be, and what the user can do about it."""
    codec = codec_of(head)
    if codec is not None:
        return f"{codec.name}-compressed data", _TWO_LAYERS
    for prefix, what, fix in _FILE_TYPES:
        if head.startswith(prefix):
            return what, fix or _DEFAULT_FIX
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page", "download the capture itself, not the page that links to it"
    if re.match(rb"\s*\{\s*\"", head):
        return "JSON", "a report that hsi wrote has no segments: give the capture itself"
    if not head.strip(b"\0"):
        return "zeros", "the file was allocated and never written; capture again"
    if _is_erf(head):
        return "an ERF (Endace) capture", _CONVERT
    if _is_text(head):
        return "text", "give the capture itself: tcpdump -w FILE writes one"
    return f"data of an unknown kind (it begins with {head[:4].hex(' ')})", _DEFAULT_FIX


def is_foreign(head: bytes) -> bool:
    """Return True for a capture format that Wireshark can read and hsi cannot."""
    return container(head) is None and identify(head)[1] == _CONVERT


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r\f\x1b" or 0x20 <= byte < 0x7F or byte >= 0x80 for byte in head) and all(
        byte < 0x80 for byte in head[:1]
    )


def _is_erf(head: bytes) -> bool:
    """Recognise an ERF record header: little-endian timestamp, then type, flags, record length and wire length."""
    if len(head) < SNIFF_LEN:
        return False
    seconds = int.from_bytes(head[4:8], "little")
    kind = head[8] & 0x7F
    record_len = int.from_bytes(head[10:12], "big")
    return seconds > 0x3000_0000 and 1 <= kind <= 48 and 16 < record_len <= 0x4000 and not record_len % 8
