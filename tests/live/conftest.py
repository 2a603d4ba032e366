from collections.abc import Iterator

import pytest
from live.network import Network, why_not


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    """A client and a server of the real kernel; skipped, with the reason, where there can be none."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    network = Network()
    yield network
    network.close()
