"""`--no-names`: which names clients look up and ask for is in no format."""

import io

import pytest
from support.captures import pcap
from support.dns import MS, NXDOMAIN, Talk
from support.quic import Flow, client_hello, crypto, initial

from handshake_inspect import engine
from handshake_inspect.quic.initial import can_open
from handshake_inspect.render import FORMATS, REPORTS, Options

SHOWN, HIDDEN = b"of-a-connection", [b"of-a-connection", b"not-there", b"silent-name", b"of-quic", b"of-alpn"]
LEFT_OUT = ("text", "markdown", "junit", "sarif", "github", "zeek")  # show no names of servers at 80 columns


@pytest.fixture(scope="module")
def capture():
    talk = Talk().look_up("of-a-connection.example", "198.51.100.2").connect("198.51.100.2").wait(MS)
    talk.look_up("not-there.example", rcode=NXDOMAIN).look_up("silent-name.example", silent=True, tries=2)
    flow = Flow()
    flow.now = talk.now
    flow.client(initial(crypto(client_hello("of-quic.example", b"of-alpn")), size=1200))
    return pcap(talk.taken + flow.frames, nano=True)


def written(form, capture, names):
    if FORMATS[form].binary:
        pytest.importorskip("pyarrow", reason="pyarrow comes with '.[arrow]'")
    report = engine.analyze([io.BytesIO(capture)], options=engine.Options(names=names))
    out = io.BytesIO()
    fields = ("*",) if form in ("csv", "tsv", "parquet", "arrow") else ()
    FORMATS[form].render(report, out, Options(every=True, verbosity=1, fields=fields))
    return out.getvalue()


@pytest.mark.parametrize("form", REPORTS)
def test_no_format_has_them(form, capture):
    hidden = written(form, capture, names=False)
    assert not [each for each in HIDDEN if each in hidden]
    assert (SHOWN in written(form, capture, names=True)) == (form not in LEFT_OUT)


@pytest.mark.skipif(not can_open(), reason="needs cryptography")
def test_those_of_quic_are_left_out_too(capture):
    assert {b"of-quic", b"of-alpn"} == {each for each in HIDDEN[3:] if each in written("json", capture, names=True)}
