"""`hashlib.pbkdf2_hmac`, which CPython has from OpenSSL only.

The hash functions themselves are there, in C. What is between them is Python
here, so a check of a password takes its time: some microseconds an iteration.
"""

import hashlib
import importlib


# About half a second. Werkzeug's own million would take ten times that, and
# the host ends requests that compute for long.
_ROUNDS = 100_000


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None) -> bytes:
    """As in hashlib (RFC 8018)."""
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    inner, outer = hashlib.new(hash_name), hashlib.new(hash_name)
    key = bytes(password)
    if len(key) > inner.block_size:
        key = hashlib.new(hash_name, key).digest()
    key = key.ljust(inner.block_size, b"\0")
    inner.update(bytes(byte ^ 0x36 for byte in key))
    outer.update(bytes(byte ^ 0x5C for byte in key))
    size = inner.digest_size
    length = size if dklen is None else dklen
    if length < 1:
        raise ValueError("key length must be greater than 0.")
    copy_inner, copy_outer, number = inner.copy, outer.copy, int.from_bytes

    def block(index: int) -> bytes:
        last = bytes(salt) + index.to_bytes(4, "big")
        total = 0
        for _ in range(iterations):
            first = copy_inner()
            first.update(last)
            second = copy_outer()
            second.update(first.digest())
            last = second.digest()
            total ^= number(last, "big")
        return total.to_bytes(size, "big")

    count = -(-length // size)
    return b"".join(block(index) for index in range(1, count + 1))[:length]


def install() -> None:
    """Werkzeug makes new password hashes with scrypt, which there is not."""
    if not hasattr(hashlib, "pbkdf2_hmac"):
        hashlib.pbkdf2_hmac = pbkdf2_hmac
    if hasattr(hashlib, "scrypt"):
        return
    try:
        security = importlib.import_module("werkzeug.security")
    except ImportError:
        return
    _, *further = security.generate_password_hash.__defaults__
    security.generate_password_hash.__defaults__ = (f"pbkdf2:sha256:{_ROUNDS}", *further)
