"""The numbers of TLS (RFC 8446, RFC 5246, IANA).  Never compiled; each twin types what it imports."""

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23

CLIENT_HELLO = 1
SERVER_HELLO = 2
CERTIFICATE = 11

TLS12 = 0x0303
TLS13 = 0x0304
DRAFT = 0x7F00  # of TLS 1.3, the number of the draft in the low byte
FIRST_DRAFT = 0x7F16  # 22, from which on it looks like TLS 1.3

RECORD_HEADER = 5
MESSAGE_HEADER = 4
LONGEST_RECORD = (1 << 14) + 2048  # of TLS 1.2; of TLS 1.3, 256 bytes more than a fragment

SERVER_NAME = 0
SUPPORTED_GROUPS = 10
ALPN = 16
PRE_SHARED_KEY = 41
EARLY_DATA = 42
SUPPORTED_VERSIONS = 43
KEY_SHARE = 51
ENCRYPTED_CLIENT_HELLO = 65037

# Of the random that makes a ServerHello a HelloRetryRequest (RFC 8446 section 4.1.3), 32 bits each.
RETRY_RANDOM = (
    0xCF21AD74, 0xE59A6111, 0xBE1D8C02, 0x1E65B891, 0xC2A21116, 0x7ABB8C5E, 0x079E09E2, 0xC8A8339C,
)  # fmt: skip
RETRY_0, RETRY_1, RETRY_2, RETRY_3, RETRY_4, RETRY_5, RETRY_6, RETRY_7 = RETRY_RANDOM

# Tags and hashes of the suites of TLS 1.3 that are not as those of TLS_AES_128_GCM_SHA256 (16, 32).
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
CUT_SHORT = 0x80  # the message ended before its extensions did, or lengths in it lie: what was whole is kept
