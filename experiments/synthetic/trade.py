"""Trade: kinds of goods, and the traders and lanes that they travel by.

HS codes are real (six digits); values, masses, seasons and duty rates are round assumptions of the
right order, not statistics. ``cover`` says how well a load hides another: dense, strong-smelling or
laborious to unload.

A lane is one standing trade relation: consignor, consignee, declarant, goods, origin. Trucks carry
lanes of the contracts of their carrier, or else what the road offers on that day. Some consignees
make wrong declarations far more often than others; this is a latent of the consignee, and drifts.
"""

from dataclasses import dataclass

import numpy as np

from experiments.synthetic.posts import (
    COUNTRIES,
    PAIRS,
    Config,
    Floats,
    Ints,
    countries_of,
    is_on_the_way,
    pick,
)


@dataclass(frozen=True, slots=True)
class GoodsKind:
    """One kind of goods."""

    hs6: str
    description: str
    usd_per_kg: float
    tonnes: float
    """Net mass of a full truck."""
    duty: float
    exporters: str
    """Countries it usually comes from."""
    cover: float = 0.2
    peak_month: int = 0
    """Month in which it is at its height; 0 for no season."""
    package_kg: float = 25.0


LINES = (
    GoodsKind("070190", "potatoes fresh", 0.25, 21, 0.15, "KZ KG TJ AF PK", 0.8, 9, 40),
    GoodsKind("070310", "onions fresh", 0.22, 21, 0.15, "UZ TJ AF KZ", 0.9, 7, 30),
    GoodsKind("070200", "tomatoes fresh", 0.75, 18, 0.15, "UZ TM IR", 0.4, 6, 8),
    GoodsKind("070610", "carrots fresh", 0.28, 20, 0.15, "UZ KZ", 0.5, 10, 25),
    GoodsKind("080610", "grapes fresh", 0.90, 18, 0.10, "UZ TJ AF", 0.4, 9, 8),
    GoodsKind("080620", "raisins", 1.60, 20, 0.10, "UZ AF IR TJ", 0.8, 11, 10),
    GoodsKind("080711", "watermelons", 0.18, 21, 0.10, "UZ KZ TM", 0.7, 7, 400),
    GoodsKind("080910", "apricots fresh", 0.95, 17, 0.10, "UZ TJ KG", 0.4, 6, 8),
    GoodsKind("081310", "apricots dried", 2.10, 20, 0.10, "TJ UZ", 0.7, 9, 12),
    GoodsKind("080232", "walnuts shelled", 4.20, 18, 0.10, "KG UZ AF", 0.6, 11, 10),
    GoodsKind("071333", "kidney beans dried", 0.95, 21, 0.10, "KG UZ", 0.5, 10, 50),
    GoodsKind("090921", "coriander seeds", 1.40, 18, 0.05, "UZ AF IN", 0.9, 8, 25),
    GoodsKind("091030", "turmeric and spices", 2.20, 18, 0.05, "IN PK AF", 0.9, 0, 25),
    GoodsKind("090240", "black tea", 2.40, 16, 0.10, "IN IR CN", 0.8, 0, 20),
    GoodsKind("100199", "wheat", 0.24, 22, 0.05, "KZ RU", 0.5, 9, 1000),
    GoodsKind("110100", "wheat flour", 0.36, 22, 0.10, "KZ RU UZ", 0.8, 0, 50),
    GoodsKind("100630", "rice milled", 0.80, 22, 0.10, "KZ PK IN", 0.6, 0, 50),
    GoodsKind("151211", "sunflower oil crude", 1.05, 21, 0.15, "KZ RU", 0.3, 0, 900),
    GoodsKind("170199", "white sugar", 0.62, 22, 0.20, "RU BY IN", 0.6, 0, 50),
    GoodsKind("180690", "chocolate confectionery", 3.10, 15, 0.20, "RU KZ TR", 0.3, 12, 6),
    GoodsKind("190531", "biscuits", 1.80, 13, 0.20, "RU KZ TR IR", 0.3, 0, 5),
    GoodsKind("200290", "tomato paste", 1.00, 21, 0.15, "UZ CN IR", 0.5, 9, 220),
    GoodsKind("220210", "soft drinks", 0.55, 20, 0.25, "KZ UZ RU", 0.2, 7, 12),
    GoodsKind("240220", "cigarettes", 11.0, 9, 0.45, "KZ RU UZ AE", 0.3, 0, 12),
    GoodsKind("252329", "portland cement", 0.07, 23, 0.10, "KZ UZ TJ KG", 0.6, 6, 50),
    GoodsKind("270112", "bituminous coal", 0.06, 23, 0.05, "KG KZ TJ", 0.7, 11, 1000),
    GoodsKind("271012", "motor spirit", 0.72, 20, 0.10, "RU KZ TM", 0.3, 0, 20000),
    GoodsKind("271113", "liquefied butanes", 0.55, 19, 0.05, "TM KZ RU", 0.2, 1, 19000),
    GoodsKind("281511", "caustic soda solid", 0.50, 21, 0.05, "RU CN IR", 0.4, 0, 25),
    GoodsKind("291521", "acetic acid", 0.75, 20, 0.05, "CN RU IR", 0.4, 0, 200),
    GoodsKind("300490", "medicaments packed", 38.0, 6, 0.05, "IN DE TR RU", 0.3, 0, 8),
    GoodsKind("310210", "urea", 0.36, 22, 0.05, "UZ TM RU", 0.6, 3, 50),
    GoodsKind("340250", "washing powders", 1.35, 18, 0.15, "RU TR KZ IR", 0.7, 0, 10),
    GoodsKind("340510", "shoe polish", 4.50, 14, 0.15, "IR TR CN", 0.8, 0, 10),
    GoodsKind("340111", "toilet soap", 1.90, 18, 0.15, "TR IR RU", 0.7, 0, 12),
    GoodsKind("380891", "insecticides", 6.00, 12, 0.05, "CN IN TR", 0.6, 4, 20),
    GoodsKind("390110", "polyethylene granules", 1.25, 22, 0.05, "UZ TM IR RU", 0.5, 0, 25),
    GoodsKind("392321", "polyethylene sacks", 2.60, 14, 0.15, "CN TR UZ", 0.2, 0, 20),
    GoodsKind("401120", "lorry tyres new", 3.30, 12, 0.10, "CN RU", 0.6, 10, 55),
    GoodsKind("440710", "sawn softwood", 0.38, 21, 0.05, "RU KZ", 0.5, 5, 1000),
    GoodsKind("481910", "cartons of corrugated board", 1.10, 14, 0.10, "UZ RU CN", 0.2, 0, 20),
    GoodsKind("520100", "cotton lint", 1.80, 20, 0.05, "UZ TJ TM", 0.9, 11, 220),
    GoodsKind("520512", "cotton yarn", 2.90, 19, 0.05, "UZ TM TJ", 0.7, 0, 50),
    GoodsKind("520819", "woven cotton fabric", 5.20, 15, 0.10, "UZ CN PK", 0.5, 0, 30),
    GoodsKind("540752", "polyester fabric dyed", 4.40, 15, 0.12, "CN TR", 0.5, 0, 30),
    GoodsKind("610910", "cotton t-shirts", 12.0, 9, 0.20, "UZ TR CN", 0.4, 5, 15),
    GoodsKind("620342", "men's cotton trousers", 14.0, 9, 0.20, "CN TR UZ", 0.4, 9, 15),
    GoodsKind("640399", "leather footwear", 16.0, 7, 0.20, "CN TR", 0.4, 9, 12),
    GoodsKind("680221", "marble worked", 0.40, 23, 0.10, "UZ AF IR TR", 0.9, 0, 900),
    GoodsKind("690721", "ceramic tiles", 0.45, 22, 0.15, "IR UZ CN", 0.8, 5, 25),
    GoodsKind("700521", "float glass", 0.50, 21, 0.10, "UZ RU CN", 0.4, 5, 900),
    GoodsKind("721049", "zinc-coated steel coil", 0.95, 22, 0.05, "KZ RU CN", 0.5, 0, 6000),
    GoodsKind("721420", "reinforcing bars", 0.62, 22, 0.05, "RU KZ UZ", 0.5, 5, 2000),
    GoodsKind("760421", "aluminium profiles", 3.60, 17, 0.10, "CN TR TJ", 0.5, 0, 60),
    GoodsKind("841510", "air conditioners", 8.00, 9, 0.15, "CN KR UZ", 0.4, 5, 35),
    GoodsKind("841810", "refrigerators", 5.20, 7, 0.15, "UZ CN TR", 0.4, 6, 60),
    GoodsKind("845011", "washing machines", 5.60, 9, 0.15, "CN UZ TR", 0.4, 0, 60),
    GoodsKind("847130", "portable computers", 190.0, 3, 0.0, "CN AE", 0.2, 9, 5),
    GoodsKind("851713", "smartphones", 420.0, 1.5, 0.0, "CN AE KR", 0.2, 12, 4),
    GoodsKind("854449", "insulated cable", 5.80, 17, 0.10, "UZ RU CN", 0.5, 0, 120),
    GoodsKind("870323", "passenger cars", 11.5, 12, 0.30, "CN KR UZ DE AE", 0.6, 0, 1500),
    GoodsKind("870899", "vehicle parts", 7.50, 11, 0.08, "CN RU KR AE", 0.8, 0, 20),
    GoodsKind("940161", "upholstered seats", 4.10, 7, 0.20, "UZ CN TR", 0.5, 0, 35),
    GoodsKind("940360", "wooden furniture", 3.30, 9, 0.20, "UZ CN TR RU", 0.6, 0, 40),
    GoodsKind("950300", "toys", 7.80, 7, 0.15, "CN", 0.4, 11, 12),
    GoodsKind("410411", "cattle hides tanned", 2.60, 19, 0.05, "KG KZ UZ", 0.9, 0, 60),
    GoodsKind("510111", "greasy wool", 1.50, 17, 0.05, "KG TM AF", 0.9, 6, 150),
    GoodsKind("570242", "carpets", 6.50, 12, 0.20, "TM AF IR TR", 0.7, 0, 40),
)

USD_PER_KG = np.array([line.usd_per_kg for line in LINES])
TONNES = np.array([line.tonnes for line in LINES])
DUTY = np.array([line.duty for line in LINES])
COVER = np.array([line.cover for line in LINES])
PACKAGE_KG = np.array([line.package_kg for line in LINES])


def weigh_seasons() -> Floats:
    """Return how likely each line is to travel in each month, shape (lines, 12), at most 1."""
    month = np.arange(12)
    rows = []
    for line in LINES:
        away = np.minimum((month - line.peak_month + 1) % 12, (line.peak_month - 1 - month) % 12)
        rows.append(np.exp(-0.5 * (away / 2.2) ** 2) if line.peak_month else np.ones(12))
    return np.asarray(np.maximum(np.array(rows), 0.04), dtype=np.float64)


def weigh_goods(country: str) -> Floats:
    """Return how usual each line is on a road that starts in ``country``, shape (lines,).

    Goods of the country itself come first, then goods passing through it; the rest is improbable.
    """
    through = {"CN", "RU", "TR", "IR", "IN", "AE", "PK", "DE", "KR", "BY"}
    weights = []
    for line in LINES:
        origins = set(line.exporters.split())
        weights.append(1.0 if country in origins else 0.3 if origins & through else 0.01)
    return np.array(weights)


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


def draw_lanes(config: Config, trips: float, carriers: int) -> tuple[Lanes, Floats]:
    """Return lanes enough for about ``trips`` trips, and which of them each carrier prefers.

    Contracts are uniform numbers, shape (carriers, 2, CONTRACTS), read as places in a group's
    weights.
    """
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
        line[mine] = pick(weigh_goods(COUNTRIES[road[0]]), rng.random(int(mine.sum())))
    lanes = _fill_lanes(config, rng, (group, line, np.array(roads)[group]))
    return lanes, rng.random((carriers, 2, CONTRACTS))


def _fill_lanes(config: Config, rng: np.random.Generator, given: tuple[Ints, Ints, Ints]) -> Lanes:
    group, line, road = given
    n = len(group)
    origin = _origins(rng, line, road[:, 0])
    onward = rng.random(n) < 0.5
    beyond = rng.integers(0, len(COUNTRIES), n)
    onward &= is_on_the_way(road[:, 0], road[:, 0], road[:, 1], beyond)
    begins = is_on_the_way(origin, road[:, 0], road[:, 1], np.where(onward, beyond, road[:, 1]))
    consignee = _heavy(rng, n, max(2, int(n / 2.2)))
    declarant = _heavy(rng, n, max(2, n // 9))
    fraud, since = draw_misdeclaration(config, rng, consignee, declarant)
    return Lanes(
        group=group,
        weight=rng.pareto(1.3, n) + 0.15,
        line=line,
        side_line=_side_lines(rng, consignee),
        origin=origin,
        dispatch=np.where((rng.random(n) < 0.75) | ~begins, road[:, 0], origin),
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


def draw_cover_lines(rng: np.random.Generator, road: int, count: int) -> Ints:
    """Return goods, shape (count,), that hide a load well and are plausible on this road."""
    start = COUNTRIES[countries_of(road // 2, road % 2)[0]]
    return pick((weigh_goods(start) + 0.03) * COVER**1.5, rng.random(count))
