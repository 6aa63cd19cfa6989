"""Stands in for ssl, which components have none of, so that libraries which
import it for the sake of its names can be imported. Nothing here encrypts:
making a context fails."""

import enum


class SSLError(OSError):
    """Any failure of TLS."""


class SSLZeroReturnError(SSLError): ...


class SSLWantReadError(SSLError): ...


class SSLWantWriteError(SSLError): ...


class SSLSyscallError(SSLError): ...


class SSLEOFError(SSLError): ...


class SSLCertVerificationError(SSLError, ValueError): ...


CertificateError = SSLCertVerificationError


class TLSVersion(enum.IntEnum):
    MINIMUM_SUPPORTED = -2
    MAXIMUM_SUPPORTED = -1
    SSLv3 = 768
    TLSv1 = 769
    TLSv1_1 = 770
    TLSv1_2 = 771
    TLSv1_3 = 772


class VerifyMode(enum.IntEnum):
    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = VerifyMode
PROTOCOL_TLS = PROTOCOL_SSLv23 = 2
PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 16, 17
OPENSSL_VERSION = "none"
OPENSSL_VERSION_NUMBER = 0
OPENSSL_VERSION_INFO = (0, 0, 0, 0, 0)
HAS_SNI = HAS_ALPN = HAS_NEVER_CHECK_COMMON_NAME = HAS_TLSv1_3 = False


class SSLContext:
    """Can be named, not made."""

    def __init__(self, *_arguments, **_options) -> None:
        raise SSLError("components have no TLS of their own")


class SSLSocket: ...


class SSLObject: ...


class MemoryBIO: ...


class Purpose(enum.Enum):
    SERVER_AUTH = 1
    CLIENT_AUTH = 2


def create_default_context(*_arguments, **_options):
    return SSLContext()


_create_default_https_context = _create_unverified_context = create_default_context


def __getattr__(name: str) -> int:
    """Options and verify flags: there is nothing they could change."""
    if name.startswith(("OP_", "VERIFY_", "ALERT_", "SSL_ERROR_")):
        return 0
    raise AttributeError(name)
