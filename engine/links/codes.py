"""Codes of messages between installations, for those who write them."""

from typing import Literal

AttentionIdentifier = Literal[
    "plate",
    "trailer_plate",
    "vin",
    "container_number",
    "seal_number",
    "tir_carnet",
    "driver_ref",
    "carrier_id",
    "consignee_id",
    "consignor_id",
]
"""What an attention is about; a national one only where the agreement names its domain."""
AttentionAction = Literal["search", "scan", "papers", "tell", "do_not_stop"]
SourceGrade = Literal["A", "B", "C", "X"]
"""Reliability of the source: always, mostly, mostly not, not known (Europol 4x4)."""
InformationGrade = Literal["1", "2", "3", "4"]
"""Known to be true, known to the source, corroborated, not corroborated (Europol 4x4)."""
QuantityBand = Literal["up_to_100g", "up_to_1kg", "up_to_10kg", "up_to_100kg", "over_100kg"]
MOST_FILES = 50
"""Files of one offered case."""
