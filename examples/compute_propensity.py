"""From chances and random numbers to a channel, with the probability of each outcome.

Two purposes may select this vehicle for a physical inspection: the random stream with 3 %, and the
score, near its cut, with 40 %. A profile may select it for documents and scan with 20 %. Purposes
draw independent numbers, so the propensity of red is 1 - 0.97 * 0.60.
"""

from engine.selection import Chance, Channel, select

CHANCES = (
    Chance("random", Channel.RED, 0.03),
    Chance("score", Channel.RED, 0.40),
    Chance("profile:fresh-fruit", Channel.YELLOW, 0.20),
)


def main() -> None:
    """Print the channel that three sets of random numbers give, and the propensities."""
    for draws in (
        {"random": 0.90, "score": 0.90, "profile:fresh-fruit": 0.90},
        {"random": 0.90, "score": 0.90, "profile:fresh-fruit": 0.10},
        {"random": 0.01, "score": 0.39, "profile:fresh-fruit": 0.90},
    ):
        selection = select(CHANCES, draws)
        print(f"{selection.channel.code:7} basis {selection.basis}, random {selection.is_random}")
    for channel, propensity in selection.propensities.items():
        print(f"propensity of {channel.code} or stricter: {propensity:.3f}")


if __name__ == "__main__":
    main()
