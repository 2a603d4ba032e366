"""The default snap length of a live capture suffices for long TLS hellos."""

import socket
import threading
from contextlib import closing

import pytest
from support import tls

from handshake_inspect.testing import capture

PROTOCOLS = [f"{number:0255d}" for number in range(6)]  # as many bytes as ML-KEM keys need


def converse():
    """One request and its answer on loopback, over TLS."""
    client, server = tls.client(alpn=PROTOCOLS), tls.server()

    def answer():
        with server.wrap_socket(listener.accept()[0], server_side=True) as talk:
            talk.recv(100)
            talk.sendall(b"answer")
            talk.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=answer)
        serving.start()
        plain = socket.create_connection(listener.getsockname())
        with closing(client.wrap_socket(plain, server_hostname="lab.test")) as talk:
            talk.sendall(b"request")
            talk.recv(100)
        serving.join()


@pytest.mark.parametrize(
    ("options", "name", "method"),
    [({}, "lab.test", "exact"), ({"snap_len": 0}, "lab.test", "exact"), ({"snap_len": 256}, None, "cut")],
)
def test_long_hellos_are_read_whole_by_default(network, options, name, method):
    with network.client(), capture("lo", **options) as report:
        converse()
    (connection,) = report
    assert connection.tls.client_hello_bytes > 1500
    assert (connection.tls.server_name, connection.setup.spans.tls.method) == (name, method)
