"""The version, read where an installer left it."""

import pytest

from handshake_inspect import about


def installed(folder, name, text):
    made = folder / name
    made.mkdir()
    (made / "METADATA").write_text(text)


def test_the_version_is_that_of_the_one_installation_beside_the_package(tmp_path):
    installed(tmp_path, "handshake_inspect-1.2.3.dist-info", "Metadata-Version: 2.4\nName: x\nVersion: 1.2.3+here\n")
    installed(tmp_path, "other-9.dist-info", "Version: 9\n")
    assert about._version_beside(str(tmp_path)) == "1.2.3+here"


@pytest.mark.parametrize("names", [[], ["handshake_inspect-1.dist-info", "handshake_inspect-2.dist-info"]])
def test_where_not_one_is_beside_the_standard_library_is_asked(tmp_path, names):
    for name in names:
        installed(tmp_path, name, "Version: 1\n")
    assert about._version_beside(str(tmp_path)) is None


def test_an_installation_that_is_not_whole_has_no_version(tmp_path):
    (tmp_path / "handshake_inspect-1.dist-info").mkdir()
    assert about._version_beside(str(tmp_path)) is None
    assert about._version_beside(str(tmp_path / "absent")) is None
