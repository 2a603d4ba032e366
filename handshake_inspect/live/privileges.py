"""Drop root privileges after the interface is open: code that parses hostile frames must not run as root.

Without `-Z`, root becomes the user who called sudo (SUDO_UID and SUDO_GID), else `nobody`; `-Z root` keeps root.  Call
`drop` after opening the source and before reading its first frame.  Output files that need root must be open by then.
tcpdump opens its files later, which is safer in directories that others may write to.
"""

import os
import pwd
from typing import NamedTuple

from handshake_inspect.errors import LiveError, UsageError


class Account(NamedTuple):
    """The account to switch to."""

    name: str
    uid: int
    gid: int


def drop(user: str | None = None) -> Account | None:
    """Switch permanently to `user`, or to the default; return the new account, or None if nothing changed.

    Raises UsageError if the user does not exist, LiveError if the process may not switch to a given user.
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
        if user is None:  # a container without CAP_SETUID, whose root is already restricted
            return None
        raise LiveError(f"-Z {user}: cannot become {user} ({error.strerror}); leave -Z out") from None
    return account


def named(user: str) -> Account:
    """Find the account for `-Z user`; raises UsageError if there is none."""
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
    except OSError:  # no entry in the user database
        os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if os.geteuid() == 0 or os.getuid() == 0:
        raise LiveError("root privileges could not be dropped")
