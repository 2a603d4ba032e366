"""Services made in batches say what each says alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.engine import analyze
from handshake_inspect.report.server_names import waits_of
from handshake_inspect.report.services import distribution, distributions
from handshake_inspect.report.setup_summary import of_values
from handshake_inspect.verdicts.grouping import Groups
from handshake_inspect.verdicts.setup.setups import setups_of

NS = st.one_of(st.just(-1), st.integers(0, 50), st.integers(0, 2**62))


@given(st.lists(st.lists(NS, max_size=120), max_size=12))
def test_percentiles_of_groups_are_those_of_each(groups):
    sizes = np.array([len(group) for group in groups], dtype=np.intp)
    ends = np.cumsum(sizes)
    values = np.array([value for group in groups for value in group], dtype=np.int64)
    grouped = Groups(np.arange(len(values)), ends - sizes, ends)
    assert distributions(grouped, values) == [distribution(np.array(group, dtype=np.int64)) for group in groups]


def test_each_service_of_every_sample_is_that_of_its_connections_alone():
    for name in SAMPLES:
        services = analyze([DIRECTORY / f"{name}.pcap"]).services
        trace = services.attempts
        values = setups_of(trace).values
        for service, number in zip(services, services.busiest.tolist(), strict=True):
            rows = trace.on_service(number)
            legs = services.legs.of(rows).values
            assert [service.rtt.synack, service.rtt.ackdat, service.rtt.total] == list(map(distribution, legs))
            assert service.setup == of_values(
                values.of(np.flatnonzero(np.isin(values.rows, rows))), waits_of(services.case)
            )
            assert list(service.outcomes.as_dict().values()) == services.counts[number].tolist()
            assert (service.connections, service) == (services.counts[number].sum(), services.of(number))
