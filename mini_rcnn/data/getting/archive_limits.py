"""What an archive may unpack to, and one error for all the ways in which one can be broken."""

from __future__ import annotations

import contextlib
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from ..errors import ArchiveError
from .safe_names import refusal, shown_name

MOST_MEMBERS = 200_000  # the challenge has 29,688
LARGEST_MEMBER = 1 << 30  # bytes; a film of 1024 x 1024 in 16 bit has 2 MB
LARGEST_TOTAL = 64 << 30  # bytes; the challenge unpacks to 4 GB
LARGEST_RATIO = 40  # unpacked to packed; films do not shrink, tables do about 8 times
ALWAYS_ALLOWED = 64 << 20  # bytes, whatever the ratio

DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OverflowError,
    LookupError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def damage_named(path, name=None):
    """Turn what the standard library raises on a broken archive into one error that names it and the member."""
    where = f"{path}: " if name is None else f"{path}: the member {shown_name(name)}: "
    try:
        yield
    except ArchiveError:
        raise
    except EOFError:
        raise ArchiveError(f"{where}the archive ends early. Download it again.") from None
    except DAMAGE as error:
        raise ArchiveError(f"{where}damaged ({str(error)[:200]}). Download the archive again.") from error
    except OSError as error:
        if error.errno is None:  # gzip's own: a wrong CRC or length
            raise ArchiveError(f"{where}damaged ({error}). Download the archive again.") from error
        raise ArchiveError(f"{where}it cannot be read: {error.strerror}.") from error


class Limits:
    """What an archive may unpack to, counted while its members are listed."""

    def __init__(self, path):
        self.path, self.count, self.total = path, 0, 0
        self.most = min(LARGEST_TOTAL, max(ALWAYS_ALLOWED, LARGEST_RATIO * Path(path).stat().st_size))

    def add(self, name, size):
        """Count one member; raise if this is one too many, too large, or more than its packed size explains."""
        self.count += 1
        self.total += size
        if size < 0 or size > LARGEST_MEMBER:
            raise refusal(self.path, name, f"it declares {size:,} bytes")
        if self.count > MOST_MEMBERS or self.total > self.most:
            fault = f"up to here {self.count:,} members of {self.total:,} bytes: an archive bomb"
            raise refusal(self.path, name, fault)
