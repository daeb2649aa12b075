"""One process at a time, also on file systems that cannot lock (Lustre's default, some NFS)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from joulia.case import digest

WITHOUT = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What `flock` ends with where a file system has no locks."""


class NoLocks(UserWarning):
    """A file system that cannot lock: processes of this machine take turns, others do not."""


@contextlib.contextmanager
def locked(path: Path, flags: int = os.O_RDWR | os.O_CREAT, *, wait: bool = True) -> Iterator[int]:
    """The descriptor of a file that one process at a time has; a second one waits.

    Where it shall not `wait`, BlockingIOError. Where the file cannot be locked, one in the
    temporary directory stands in for it, which keeps the processes of this machine apart, and
    NoLocks is warned. OSError where it cannot be opened.
    """
    exclusive = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    with contextlib.ExitStack() as opened:
        descriptor = os.open(path, flags, 0o644)
        opened.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, exclusive)
        except OSError as error:
            if error.errno not in WITHOUT:
                raise
            warnings.warn(
                f"the file system of {path.parent} has no locks: nothing on another machine may "
                f"write there at the same time",
                NoLocks,
                stacklevel=2,
            )
            opened.callback(os.close, stand_in(path, exclusive))
        yield descriptor


def stand_in(path: Path, exclusive: int) -> int:
    """A locked file in the temporary directory, the same for all of this user's processes."""
    name = f"joulia-{os.getuid()}-{digest(str(path.resolve()))}.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(Path(tempfile.gettempdir()) / name, flags, 0o600)
    try:
        fcntl.flock(descriptor, exclusive)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass  # a temporary directory without locks either
    return descriptor
