"""Bodies: what lorries and wagons carry their goods in, and which places a body has.

The body follows from the goods, and is the same whenever a vehicle carries goods of the same lane;
an empty vehicle comes with the body of its last load. Shares are assumed, see docs/synthetic.md.
"""

from collections.abc import Mapping
from typing import get_args

import numpy as np

from engine.domain.records import PLACES, BodyType
from engine.search_orders.rates import LACKED_BY_BODY
from experiments.synthetic.config import Bools, Config, Floats, Ints
from experiments.synthetic.posts import BUS, CAR, VAN
from experiments.synthetic.trade import LINES

BODIES: tuple[BodyType, ...] = get_args(BodyType)
TILT, CONTAINER = BODIES.index("tilt"), BODIES.index("container")
_USUAL: Mapping[BodyType, float] = {"tilt": 0.66, "box": 0.17, "container": 0.15, "reefer": 0.02}
_BY_GOODS: Mapping[str, Mapping[BodyType, float]] = {
    "0701": {"tilt": 0.7, "reefer": 0.3},
    "0703": {"tilt": 0.7, "reefer": 0.3},
    "0702": {"reefer": 0.8, "tilt": 0.2},
    "0706": {"reefer": 0.4, "tilt": 0.6},
    "080610": {"reefer": 0.9, "tilt": 0.1},
    "080910": {"reefer": 0.9, "tilt": 0.1},
    "0807": {"tilt": 0.8, "reefer": 0.2},
    "02": {"reefer": 1.0},
    "04": {"reefer": 1.0},
    "1512": {"tank": 1.0},
    "2710": {"tank": 1.0},
    "2711": {"tank": 1.0},
    "2915": {"tank": 0.4, "container": 0.3, "tilt": 0.3},
    "3004": {"box": 0.6, "reefer": 0.4},
    "44": {"timber": 0.8, "flat": 0.2},
    "6802": {"flat": 0.5, "tilt": 0.4, "container": 0.1},
    "72": {"flat": 0.6, "tilt": 0.4},
    "8703": {"car_carrier": 0.8, "container": 0.2},
}
"""By the beginning of the HS code, the longest that fits; other goods travel as usual."""


def _weights(hs6: str) -> Mapping[BodyType, float]:
    fitting = [beginning for beginning in _BY_GOODS if hs6.startswith(beginning)]
    return _BY_GOODS[max(fitting, key=len)] if fitting else _USUAL


_SHARE = np.array([[_weights(line.hs6).get(body, 0.0) for body in BODIES] for line in LINES])
_OF_CLASS = {CAR: BODIES.index("car"), VAN: BODIES.index("van"), BUS: BODIES.index("bus")}

BODY_HAS: Bools = np.array(
    [[not place.startswith(LACKED_BY_BODY[body]) for place in PLACES] for body in BODIES]
)
"""Which places each body has, shape (bodies, places)."""


def draw_bodies(
    config: Config, given: tuple[Ints, Ints, Ints], *, lane: Ints, line: Ints, at: Ints
) -> Ints:
    """Return the body of each trip, shape (n,), as its place in ``BODIES``.

    ``given`` are the vehicle of each trip, the class of each vehicle, and the goods of each lane;
    ``lane`` is -1 for an empty trip, ``at`` says when the trip is made.
    """
    vehicle, vehicle_class, goods_of_lane = given
    rng = config.rng("bodies")
    own: Floats = rng.random(len(vehicle_class))
    asked: Floats = rng.random(len(goods_of_lane))
    u = (own[vehicle] + asked[lane]) % 1.0
    share = np.cumsum(_SHARE, axis=1)[line]
    body = np.where(lane >= 0, (share / share[:, -1:] <= u[:, None]).sum(axis=1), -1)
    body = _keep_body(body, vehicle, at)
    kind = vehicle_class[vehicle]
    for of_class, always in _OF_CLASS.items():
        body[kind == of_class] = always
    return np.asarray(body, dtype=np.int64)


def _keep_body(body: Ints, vehicle: Ints, at: Ints) -> Ints:
    """Give empty trips (-1) the body of the vehicle's trip before, else a tilt."""
    order = np.lexsort((at, vehicle))
    known = np.where(body[order] >= 0, np.arange(len(order)), -1)
    last = np.maximum.accumulate(known)
    is_own = (last >= 0) & (vehicle[order[last]] == vehicle[order])
    kept = np.empty_like(body)
    kept[order] = np.where(is_own, body[order[last]], TILT)
    return kept
