"""The mapping of claims as a matter of two people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.auth.agencies import agencies_by_post
from api.auth.credentials import commitment_of
from api.auth.oidc_mapping import OidcMapping, check_mapping, read_mapping
from api.oidc.sign_on import open_subject_key
from api.proposals.matters import BY_GOVERNORS, ProposalMatter, Step, name_at_random
from engine.criteria.dual_control import ApprovalState
from engine.domain.records import Record


class MappingProposal(Record):
    """A mapping, with the SHA-256 of the file that it was read from."""

    mapping: OidcMapping
    file: str


def load_mapping(path: Path) -> MappingProposal:
    """Read a mapping from its file; raises ``InputError``."""
    mapping, digest = read_mapping(path)
    return MappingProposal(mapping=mapping, file=digest)


def _prepare(step: Step, proposed: MappingProposal) -> Mapping[str, Any]:
    """Return the mapping as it is recorded.

    The record commits to the key that turns subjects into names: with another key the same subject
    would be another person.
    """
    network = step.service.network
    agencies = frozenset().union(*agencies_by_post(network).values())
    check_mapping(proposed.mapping, network.posts, agencies)
    return {
        "mapping": proposed.mapping.model_dump(mode="json"),
        "file": proposed.file,
        "subjects": commitment_of(open_subject_key(step.service.home)),
        "instead_of": step.service.accounts.look().oidc.sequence,
    }


def _find_end(step: Step, state: ApprovalState) -> str:
    is_open = state.content["instead_of"] == step.service.accounts.look().oidc.sequence
    return "" if is_open else "another one is in force since"


OIDC = ProposalMatter(
    name="oidc",
    content=MappingProposal,
    **BY_GOVERNORS,
    subject=name_at_random("oidc"),
    prepare=_prepare,
    find_end=_find_end,
    load=load_mapping,
    file="oidc.toml",
)
"""What an earlier mapping granted, and sessions by it, are over when another comes into force."""
