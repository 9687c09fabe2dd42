"""Traders: consignors, consignees and declarants, and their lanes.

A lane is one standing trade relation: consignor, consignee, declarant, goods, origin. Trucks carry
lanes of their carrier's contracts, else whatever the road offers that day. Some consignees cheat on
their declarations much more than others; that is a latent of the consignee, and drifts.
"""

from dataclasses import dataclass

import numpy as np

from experiments.synthetic.config import Config, Floats, Ints, pick
from experiments.synthetic.world.goods import COVER, DUTY, LINES, affinity
from experiments.synthetic.world.network import COUNTRIES, PAIRS, countries_of

CONTRACTS = 4


@dataclass(frozen=True, slots=True)
class Lanes:
    """One entry a lane; ordinary lanes of one road and direction (a group) stand side by side."""

    group: Ints
    """pair * 2 + direction."""
    weight: Floats
    line: Ints
    side_line: Ints
    """What the same consignee also buys, in mixed loads."""
    origin: Ints
    dispatch: Ints
    destination: Ints
    consignor: Ints
    consignee: Ints
    declarant: Ints
    level: Floats
    """Log of the lane's usual value density over the norm of its goods."""
    fraud: Floats
    """Probability that a declaration of this lane is materially wrong."""
    fraud_from: Floats
    """Day from which it cheats; honest rates apply before."""
    digits: Ints
    """How many digits of the HS code its declarant writes."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Which lanes a carrier prefers: uniform numbers, read as places in a group's weights."""

    places: Floats
    """Shape (carriers, 2, CONTRACTS)."""


def trade(config: Config, trips: float, carriers: int) -> tuple[Lanes, Contracts]:
    """Return lanes enough for about ``trips`` trips, and each carrier's contracts."""
    rng = config.rng("lanes")
    scale = trips / max(config.years, 0.25) ** 0.5
    volume = np.repeat([pair.volume for pair in PAIRS], 2)
    loaded = np.array([share for pair in PAIRS for share in pair.loaded])
    sizes = np.maximum(3, np.round(scale * 0.5 * volume * loaded / 18)).astype(np.int64)
    group = np.repeat(np.arange(2 * len(PAIRS)), sizes)
    line, roads = np.empty(len(group), np.int64), []
    for index in range(2 * len(PAIRS)):
        road = countries_of(index // 2, index % 2)
        roads.append(road)
        mine = group == index
        line[mine] = pick(affinity(COUNTRIES[road[0]]), rng.random(int(mine.sum())))
    lanes = _lanes(config, rng, (group, line, np.array(roads)[group]))
    return lanes, Contracts(rng.random((carriers, 2, CONTRACTS)))


def _lanes(config: Config, rng: np.random.Generator, given: tuple[Ints, Ints, Ints]) -> Lanes:
    group, line, road = given
    n = len(group)
    origin = _origins(rng, line, road[:, 0])
    onward = rng.random(n) < 0.22
    beyond = rng.integers(0, len(COUNTRIES), n)
    consignee = _heavy(rng, n, max(2, int(n / 2.2)))
    declarant = _heavy(rng, n, max(2, n // 9))
    fraud, since = draw_misdeclaration(config, rng, consignee, declarant)
    return Lanes(
        group=group,
        weight=rng.pareto(1.3, n) + 0.15,
        line=line,
        side_line=_side_lines(rng, consignee),
        origin=origin,
        dispatch=np.where(rng.random(n) < 0.75, road[:, 0], origin),
        destination=np.where(onward, beyond, road[:, 1]),
        consignor=_heavy(rng, n, max(2, int(n / 1.8))),
        consignee=consignee,
        declarant=declarant,
        level=rng.normal(0, 0.25, n),
        fraud=np.minimum(0.85, fraud * (0.7 + 3.0 * DUTY[line])),
        fraud_from=since,
        digits=np.array([10, 10, 10, 10, 6, 4])[(declarant * 7919) % 6],
    )


def _heavy(rng: np.random.Generator, n: int, pool: int) -> Ints:
    """Assign members of a pool, a few of them to many (Zipf-like)."""
    weights = np.asarray((np.arange(pool) + 3.0) ** -0.95, dtype=np.float64)
    return pick(weights, rng.random(n))


def _side_lines(rng: np.random.Generator, consignee: Ints) -> Ints:
    wanted = rng.integers(0, len(LINES), int(consignee.max()) + 1)
    return np.asarray(wanted[consignee], dtype=np.int64)


def _origins(rng: np.random.Generator, line: Ints, start: Ints) -> Ints:
    """Draw a country of origin: where the road starts if it makes the goods, else who does."""
    makers = [[COUNTRIES.index(c) for c in item.exporters.split()] for item in LINES]
    width = max(map(len, makers))
    table = np.array([(m * width)[:width] for m in makers])
    drawn = table[line, rng.integers(0, width, len(line))]
    here = (table[line] == start[:, None]).any(axis=1)
    return np.where(here & (rng.random(len(line)) < 0.85), start, drawn)


def draw_misdeclaration(
    config: Config, rng: np.random.Generator, consignee: Ints, declarant: Ints
) -> tuple[Floats, Floats]:
    """Draw how often each lane's declarations are wrong, and since when, shape (lanes,).

    Most consignees are careless at worst (1 to 2 %), one in six cheats often; some declarants
    help. A third of the cheats start within the span.
    """
    parties, helpers = int(consignee.max()) + 1, int(declarant.max()) + 1
    cheat = rng.random(parties) < 0.18
    rate = np.where(cheat, rng.beta(3.0, 2.6, parties), rng.beta(1.0, 55.0, parties))
    since = np.where(cheat & (rng.random(parties) < 0.35), rng.random(parties) * config.days, -1.0)
    helps = np.where(rng.random(helpers) < 0.15, 2.2, 0.85)
    return rate[consignee] * helps[declarant], since[consignee]


def cover_lines(rng: np.random.Generator, road: int, count: int) -> Ints:
    """Return goods, shape (count,), that hide a load well and are plausible on this road."""
    start = COUNTRIES[countries_of(road // 2, road % 2)[0]]
    return pick((affinity(start) + 0.03) * COVER**1.5, rng.random(count))
