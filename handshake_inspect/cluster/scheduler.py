"""The stages called by the workers of a Dask cluster: `dask.distributed` is imported here, and nowhere else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

from handshake_inspect.about import version
from handshake_inspect.cluster.analysis import MOST_WAYS
from handshake_inspect.errors import CaptureError, ClusterError, UsageError

ANSWERS_S = 10  # a scheduler answers within this, and has workers
REACHED_S = 1  # a worker is asked itself if it answers within this
_FIX = "start one with `dask scheduler` and `dask worker`, or use --cluster local:4"


@contextmanager
def connected(where: str) -> Iterator[Any]:
    """A client of the cluster at `tcp://…`."""
    with _remote(where) as client, _ending_quietly(client):
        yield client


@contextmanager
def _ending_quietly(client: Any) -> Iterator[None]:
    """Log nothing of calls that are waited for no more, where something else ends the run: the loop is the client's."""
    try:
        yield
    except BaseException:
        client.loop.asyncio_loop.set_exception_handler(lambda *_: None)
        raise


@contextmanager
def _remote(where: str) -> Iterator[Any]:
    dask = _dask()
    try:
        client = dask.Client(where, timeout=ANSWERS_S)
    except ValueError as error:
        raise ClusterError(f"{where}: is no address ({error}); write tcp://HOST:8786, or local:4") from None
    except OSError as error:
        raise ClusterError(f"{where}: no scheduler answers ({_reason(error)}); {_FIX}") from None
    with client:
        yield client


def _reason(error: BaseException) -> str:
    """What went wrong at first, which Dask wraps."""
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
    """Has each stage called by the workers of a client's cluster; see `analysis.Runner`."""

    def __init__(self, client: Any) -> None:
        """Raises ClusterError where there are no workers, or some with another version of hsi."""
        self.client = client
        self.ways = min(_threads(client), MOST_WAYS)
        self._is_near = _are_near(client)
        self._run = uuid4().hex
        self._numbers = count()

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """A future; the dashboard shows the stage by the key."""
        key = f"hsi-{stage}-{self._run}-{next(self._numbers)}"
        return self.client.submit(function, *given, key=key, pure=False)

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """What the functions returned; values that are no futures are themselves."""
        distributed = _dask()
        try:
            if done is not None:
                places = {future.key: place for place, future in enumerate(submitted)}
                for future in distributed.as_completed(submitted):
                    if future.status == "finished":
                        done(places[future.key])
            return list(self.client.gather(list(submitted), direct=self._is_near))
        except CaptureError as error:
            raise CaptureError(f"{error} (says a worker: captures must lie where all workers can read them)") from error
        except distributed.KilledWorker as error:
            raise ClusterError(f"workers died again and again: {error}; give each more memory") from None
        except (distributed.CancelledError, distributed.comm.CommClosedError) as error:
            raise ClusterError(f"the scheduler is gone: {error or type(error).__name__}; start it again") from None

    def item(self, submitted: Any, name: str) -> Any:
        """An attribute of what a function returns, as a future."""
        return self.submit(name, getattr, submitted, name)


def _version_there() -> str:
    """The version of hsi where this is called."""
    return version()


def _threads(client: Any) -> int:
    """How many calls run at the same time."""
    distributed = _dask()
    try:
        client.wait_for_workers(1, timeout=ANSWERS_S)
        versions = client.run(_version_there)
    except (OSError, distributed.TimeoutError):
        raise ClusterError("the scheduler has no workers; start some with `dask worker`") from None
    except ImportError as error:
        raise ClusterError(f"a worker cannot import hsi ({error}); install handshake-inspect there") from None
    others = sorted({each for each in versions.values() if each != version()})
    if others:
        raise ClusterError(f"workers have hsi {', '.join(others)}, and here it is {version()}; install the same")
    return sum(map(int, client.nthreads().values()))


def _are_near(client: Any) -> bool:
    """Whether all workers can be asked for what they have: else it comes through the scheduler, and is copied twice."""
    connect, addresses = _dask().comm.connect, list(client.nthreads())

    async def all_answer() -> None:
        for address in addresses:
            (await connect(address, timeout=REACHED_S, **client.connection_args)).abort()

    try:
        client.sync(all_answer)
    except OSError:
        return False
    return True
