"""Run the stages on a Dask cluster; the only module that imports `dask.distributed`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

from handshake_inspect.about import version
from handshake_inspect.cluster.analysis import MAX_SHARDS
from handshake_inspect.errors import CaptureError, ClusterError, UsageError

TIMEOUT_S = 10  # for the scheduler to answer and to have workers
CONNECT_TIMEOUT_S = 1  # for a direct connection to a worker
_FIX = "start one with `dask scheduler` and `dask worker`, or use --cluster local:4"


@contextmanager
def connected(where: str) -> Iterator[Any]:
    """Yield a client of the cluster at `tcp://…`."""
    with _remote(where) as client, _ending_quietly(client):
        yield client


@contextmanager
def _ending_quietly(client: Any) -> Iterator[None]:
    """If an error ends the run, suppress asyncio's log messages about abandoned calls on the client's event loop."""
    try:
        yield
    except BaseException:
        client.loop.asyncio_loop.set_exception_handler(lambda *_: None)
        raise


@contextmanager
def _remote(where: str) -> Iterator[Any]:
    dask = _dask()
    try:
        client = dask.Client(where, timeout=TIMEOUT_S)
    except ValueError as error:
        raise ClusterError(f"{where}: is no address ({error}); write tcp://HOST:8786, or local:4") from None
    except OSError as error:
        raise ClusterError(f"{where}: no scheduler answers ({_reason(error)}); {_FIX}") from None
    with client:
        yield client


def _reason(error: BaseException) -> str:
    """Return the message of the original error, which Dask wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _dask() -> Any:
    try:
        import distributed  # noqa: PLC0415  few have it
    except ImportError:
        raise UsageError("a cluster needs dask.distributed: pip install 'handshake-inspect[dask]'") from None
    return distributed


class Workers:
    """Runs each stage on the workers of a client's cluster; see `analysis.Runner`."""

    def __init__(self, client: Any) -> None:
        """Raises ClusterError if there are no workers, or if some have another version of hsi."""
        self.client = client
        self.shards = min(_threads(client), MAX_SHARDS)
        self._is_direct = _are_reachable(client)
        self._run = uuid4().hex
        self._numbers = count()

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """Submit a call and return its future; the dashboard shows the stage by the key."""
        key = f"hsi-{stage}-{self._run}-{next(self._numbers)}"
        return self.client.submit(function, *given, key=key, pure=False)

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """Return the results of the futures; other values are returned as they are."""
        distributed = _dask()
        try:
            if done is not None:
                places = {future.key: place for place, future in enumerate(submitted)}
                for future in distributed.as_completed(submitted):
                    if future.status == "finished":
                        done(places[future.key])
            return list(self.client.gather(list(submitted), direct=self._is_direct))
        except CaptureError as error:
            raise CaptureError(f"{error} (says a worker: captures must lie where all workers can read them)") from error
        except distributed.KilledWorker as error:
            raise ClusterError(f"workers died again and again: {error}; give each more memory") from None
        except (distributed.CancelledError, distributed.comm.CommClosedError) as error:
            raise ClusterError(f"the scheduler is gone: {error or type(error).__name__}; start it again") from None

    def item(self, submitted: Any, name: str) -> Any:
        """Return a future for an attribute of the result."""
        return self.submit(name, getattr, submitted, name)


def _version_there() -> str:
    """Return the version of hsi on the worker that calls this."""
    return version()


def _threads(client: Any) -> int:
    """Return the number of worker threads; raises ClusterError if workers are missing or unsuitable."""
    distributed = _dask()
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
        versions = client.run(_version_there)
    except (OSError, distributed.TimeoutError):
        raise ClusterError("the scheduler has no workers; start some with `dask worker`") from None
    except ImportError as error:
        raise ClusterError(f"a worker cannot import hsi ({error}); install handshake-inspect there") from None
    others = sorted({each for each in versions.values() if each != version()})
    if others:
        raise ClusterError(f"workers have hsi {', '.join(others)}, and here it is {version()}; install the same")
    return sum(map(int, client.nthreads().values()))


def _are_reachable(client: Any) -> bool:
    """Return True if all workers accept direct connections; otherwise results are copied through the scheduler."""
    connect, addresses = _dask().comm.connect, list(client.nthreads())

    async def all_answer() -> None:
        for address in addresses:
            (await connect(address, timeout=CONNECT_TIMEOUT_S, **client.connection_args)).abort()

    try:
        client.sync(all_answer)
    except OSError:
        return False
    return True
