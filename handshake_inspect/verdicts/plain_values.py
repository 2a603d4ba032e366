"""Plain Python values: what a finding may contain, since every format must be able to write it.

Detectors compute with NumPy, whose scalars look like Python numbers until an encoder meets one: `a and b` of two
arrays' elements is a `numpy.bool_`, which no JSON encoder accepts. So a finding converts its values when it is built,
here and nowhere else. With `REFUSE` it raises instead: the tests run this way, so that detectors are fixed.
"""

import math
from enum import Enum
from typing import Any

import numpy as np

REFUSE = False
_PLAIN = (bool, int, float, str, type(None))
_AS_THEY_ARE = frozenset(_PLAIN) - {float}  # a float may be NaN


def plain(value: Any, where: str = "value") -> Any:
    """Return the value in plain Python; NaN and infinity become None. Raise TypeError if there is no plain form.

    Sequences become lists, except tuples. With `REFUSE`, raise TypeError for anything that had to be converted.
    """
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return _changed(None, value, where)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {plain(key, where): plain(each, f"{where}.{key}") for key, each in value.items()}
    if kind in (list, tuple):
        if _AS_THEY_ARE.issuperset(map(type, value)):
            return value
        return kind(plain(each, where) for each in value)
    if isinstance(value, np.generic | np.ndarray):
        return _changed(plain(value.tolist(), where), value, where)
    if isinstance(value, Enum):
        return _changed(plain(value.value, where), value, where)
    raise TypeError(f"{where} is a {kind.__name__}, which a finding cannot hold: {value!r}")


def _changed(converted: Any, value: Any, where: str) -> Any:
    if REFUSE:
        raise TypeError(f"{where} is a {type(value).__module__}.{type(value).__name__}: {value!r}")
    return converted
