"""All extensions or none; everything else that setuptools must know is in pyproject.toml."""

import os

from setuptools import setup
from setuptools.command.build_ext import build_ext


class AllOrNone(build_ext):
    """Build the extensions, and where one fails, leave none.

    Each may fail, as all do without a compiler, and the package then runs as plain Python.  But compiled modules share
    C structures: with only some of them, as where the system ends one compiler for want of memory, nothing works.
    """

    def build_extensions(self) -> None:
        """Build them, then remove those that lack a companion."""
        super().build_extensions()
        files = [self.get_ext_fullpath(each.name) for each in self.extensions]
        built = [file for file in files if os.path.exists(file)]  # noqa: PTH110 - setuptools deals in strings
        if len(built) < len(files):
            for file in built:
                os.unlink(file)  # noqa: PTH108
            self.warn(
                f"{len(files) - len(built)} of {len(files)} extensions failed to build: hsi will run as plain Python"
            )


setup(cmdclass={"build_ext": AllOrNone})
