"""TLS protocol constants (RFC 8446, RFC 5246, IANA).  Never compiled; the twin has those that compiled modules use."""

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23

CLIENT_HELLO = 1
SERVER_HELLO = 2
CERTIFICATE = 11

TLS12 = 0x0303
TLS13 = 0x0304
DRAFT = 0x7F00  # drafts of TLS 1.3, with the draft number in the low byte
FIRST_DRAFT = 0x7F16  # 22, the first that looks like TLS 1.3 on the wire

RECORD_HEADER = 5
MESSAGE_HEADER = 4
LONGEST_RECORD = (1 << 14) + 2048  # TLS 1.2; TLS 1.3 allows only 256 bytes more than a fragment

SERVER_NAME = 0
SUPPORTED_GROUPS = 10
ALPN = 16
PRE_SHARED_KEY = 41
EARLY_DATA = 42
SUPPORTED_VERSIONS = 43
KEY_SHARE = 51
ENCRYPTED_CLIENT_HELLO = 65037

# The random of a HelloRetryRequest (RFC 8446 section 4.1.3) in 32-bit words.
RETRY_RANDOM = (
    0xCF21AD74, 0xE59A6111, 0xBE1D8C02, 0x1E65B891, 0xC2A21116, 0x7ABB8C5E, 0x079E09E2, 0xC8A8339C,
)  # fmt: skip
RETRY_0, RETRY_1, RETRY_2, RETRY_3, RETRY_4, RETRY_5, RETRY_6, RETRY_7 = RETRY_RANDOM

# TLS 1.3 cipher suites whose tag or hash length differs from TLS_AES_128_GCM_SHA256 (16, 32).
AES_256_GCM_SHA384 = 0x1302
AES_128_CCM_8_SHA256 = 0x1305

# Hello.flags
OFFERS_PSK = 0x01
OFFERS_EARLY_DATA = 0x02
OFFERS_ECH = 0x04
OFFERS_13 = 0x08
OFFERS_H2 = 0x10
CHOSE_PSK = 0x20
IS_RETRY = 0x40
CUT_SHORT = 0x80  # truncated, or with invalid lengths; complete parts are kept
