"""Root is needed to open an interface and for nothing after that: what reads hostile frames should not be root.

Without `-Z` root becomes the user who called sudo (SUDO_UID and SUDO_GID), and nobody when that is not known; `-Z root`
keeps root.  To be called when the source is open and before its first frame is read.  A file that is to be written as
root has to be open by then; tcpdump opens its files after that, which is safer where others may write to the directory.
"""

import os
import pwd
from typing import NamedTuple

from handshake_inspect.errors import LiveError, UsageError


class Account(NamedTuple):
    """Who the process is to be."""

    name: str
    uid: int
    gid: int


def drop(user: str | None = None) -> Account | None:
    """Become `user`, or the default, for good: who it is; None when this process stays who it was.

    UsageError for a user that does not exist; LiveError when one that was asked for cannot be become.
    """
    if user is not None:
        account = named(user)
        if account.uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise LiveError(f"-Z {user}: only root can become another user; leave -Z out")
    elif os.geteuid() == 0:
        account = _default(os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", ""))
        if account.uid == 0:
            return None
    else:
        return None
    try:
        _become(account)
    except PermissionError as error:
        if user is None:  # a container without CAP_SETUID: its root is a small one already
            return None
        raise LiveError(f"-Z {user}: cannot become {user} ({error.strerror}); leave -Z out") from None
    return account


def named(user: str) -> Account:
    """Find the account of `-Z user`; UsageError when there is none."""
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise UsageError(f"-Z {user}: no such user; name one of this system, root to stay root") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _default(uid: str, gid: str) -> Account:
    if uid.isdigit() and gid.isdigit():
        try:
            name = pwd.getpwuid(int(uid)).pw_name
        except (KeyError, OverflowError):
            name = uid
        return Account(name, int(uid), int(gid))
    try:
        return named("nobody")
    except UsageError:
        return Account("nobody", 65534, 65534)


def _become(account: Account) -> None:
    try:
        os.initgroups(account.name, account.gid)
    except PermissionError:
        raise
    except OSError:  # a user without an entry
        os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if os.geteuid() == 0 or os.getuid() == 0:
        raise LiveError("root privileges could not be dropped")
