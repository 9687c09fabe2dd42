"""Check profile expressions before they are proposed.

The service runs the same check. A refusal names the place of the mistake and the rule.
"""

from engine.criteria.profiles.checker import check
from engine.errors import ProfileRefusedError
from features.catalogue.catalogue import CATALOGUE

EXPRESSIONS = (
    'crossing.vehicle_class == "truck" && features.plate_crossings_30d > 20.0',
    'crossing.vehicle_class == "lorry"',
    "features.plate_crossings_30d + 1.0",
)


def main() -> None:
    """Print the cost of each valid expression, and the refusal of each invalid one."""
    for expression in EXPRESSIONS:
        try:
            checked = check(expression, features=tuple(CATALOGUE))
        except ProfileRefusedError as refusal:
            print(f"refused: {expression}\n         {refusal}")
        else:
            print(f"valid, at most {checked.steps} steps: {expression}")


if __name__ == "__main__":
    main()
