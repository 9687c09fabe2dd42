"""What a deployment relies on, as lists that two versions can be compared by.

Everything here is read from the running program: the OpenAPI document (with references written out,
because a schema's name is no promise), the command line, the migrated store, the catalogue, and the
bytes that are hashed and signed.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.app import create_app
from api.cli.main import app as command_line
from api.migrations.upgrade import upgrade
from api.service.settings import Settings
from engine.journal.entries import Entry
from engine.journal.hash_chain import GENESIS, ChainLink, canonical, chain_of, leaf_of
from engine.journal.receipts import Signer
from engine.storage.database import Store
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.earlier_definitions import UNIFORM, UNIFORM_ENCODING
from features.catalogue.plan import Plan

ROOT = Path(__file__).parents[3]
LAYERS = ("engine", "features", "models", "experiments", "api")
VARIABLE = re.compile(r"DARVOZA_[A-Z_]+[A-Z]")
MATTERS, STEPS = ("profile", "watchlist"), ("proposed", "noticed", "backtested", "approved")
KINDS = {
    "crossing", "decision", "drift_measured", "erasure", "history", "inspection", "key_created",
    "key_revoked", "model_approved", "model_challenged", "model_in_force", "model_registered",
    "model_retired", "model_shadowed", "password_changed", "percentiles", "profile_counted",
    "profile_failed", "release", "review", "roster", "seizure", "sensitive_read", "shadow_scores",
    "shift_closed", "shift_opened", "signed_in", "signed_out", "tick", "trial_measured",
    "user_created", "user_left", "verified",
} | {f"{matter}_{step}" for matter in MATTERS for step in (*STEPS, "leaving", "left")}  # fmt: skip
"""Kinds of journal records of version 0c412e7."""
BODY = {"ü": [1, 2.5, None, True, "б"], "a": {"z": -0.0, "b": 1e-9}, "n": 9007199254740993}
"""A journal body with what encoders disagree on."""


def routes() -> list[str]:
    """Return each parameter, request field and answer field of each route, with its type."""
    document = create_app().openapi()
    found: set[str] = set()
    for path, verbs in document["paths"].items():
        for verb, value in verbs.items():
            route = f"{verb.upper()} {path}"
            found.add(route)
            for one in value.get("parameters", ()):
                must = "required" if one.get("required") else "optional"
                found.add(f"{route} {one['in']} {one['name']} {must}")
            body = value.get("requestBody", {}).get("content", {})
            for media in body.values():
                found |= fields(document, media.get("schema", {}), f"{route} asks")
            for status, answer in value["responses"].items():
                for kind, media in answer.get("content", {}).items():
                    found.add(f"{route} {status} {kind}")
                    # A problem looks alike everywhere: its fields are listed once.
                    where = f"{route} {status}" if kind == "application/json" else kind
                    found |= fields(document, media.get("schema", {}), where)
    return sorted(found)


def fields(document: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> set[str]:
    """Return a schema's fields, references written out, one line a field and type."""
    return set(_fields(document, schema, where, ()))


def _fields(
    document: Mapping[str, Any], schema: Mapping[str, Any], where: str, within: tuple[str, ...]
) -> Iterator[str]:
    if name := schema.get("$ref"):
        if name not in within:
            # 0c412e7 referred to one schema that its document did not hold.
            part = document["components"]["schemas"].get(name.rpartition("/")[2], {})
            yield from _fields(document, part, where, (*within, name))
        return
    if kind := schema.get("type"):
        yield f"{where}: {kind}"
    yield from (f"{where} = {value}" for value in schema.get("enum", ()))
    for inner, one in _parts(schema):
        yield from _fields(document, one, where + inner, within)


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the schemas within a schema, and what their place adds to the name of a field."""
    for way in ("anyOf", "oneOf", "allOf"):
        yield from (("", one) for one in schema.get(way, ()))
    for name, one in schema.get("properties", {}).items():
        yield f" .{name}" if name in schema.get("required", ()) else f" .{name}?", one
    for way, mark in (("items", " []"), ("additionalProperties", " {}")):
        if isinstance(one := schema.get(way), Mapping):
            yield mark, one


def commands() -> list[str]:
    """Return each command, and each of its options and arguments."""
    found: list[str] = []

    def walk(command: Any, path: str) -> None:
        for one in command.params:
            names = "/".join(sorted((*one.opts, *one.secondary_opts)))
            if names != "--help":
                must = "required" if one.required else "optional"
                found.append(f"{path} {one.param_type_name} {names} {must}")
        for name, inner in getattr(command, "commands", {}).items():
            found.append(f"{path} {name}")
            walk(inner, f"{path} {name}")

    walk(typer.main.get_command(command_line), "darvoza")
    return sorted(found)


def variables() -> list[str]:
    """Return the environment variables that the program reads."""
    found = {f"DARVOZA_{name.upper()}" for name in Settings.model_fields}
    for text in sources():
        found |= set(VARIABLE.findall(text))
    return sorted(found)


def sources() -> list[str]:
    """Return the text of every module of the product."""
    return [path.read_text("utf-8") for one in LAYERS for path in (ROOT / one).rglob("*.py")]


def kinds() -> list[str]:
    """Return those of the known kinds of records that the program still names."""
    text = "\n".join(sources())
    named = set(re.findall(r"\"([a-z_]+)\"", text))
    composed = {f"{matter}_{step}" for matter in MATTERS for step in named if matter in named}
    return sorted(KINDS & (named | composed))


def tables() -> list[str]:
    """Return the columns of a migrated store, with their types."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "darvoza.sqlite"
        with Store(f"sqlite:///{file}") as store:
            upgrade(store)
        with closing(sqlite3.connect(file)) as connection:
            query = (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            names = [name for (name,) in connection.execute(query)]
            return sorted(
                f"{name}.{column} {kind} {'not null' if is_set else 'null'}"
                for name in names
                for _, column, kind, is_set, _, _ in connection.execute(
                    f"PRAGMA table_info({name})"
                )
            )


def features() -> list[str]:
    """Return the features in their order: it is the order of what models read."""
    return list(CATALOGUE)


def digests() -> dict[str, str]:
    """Return digests of the bytes that are hashed or signed."""
    body = canonical(BODY)
    leaf = leaf_of(bytes(range(16)), body)
    chain = chain_of(GENESIS, "j", ChainLink(1, 2, "k", "s", "p", "", None, leaf))
    entry = Entry(
        journal_id="j", seq=1, known_at=2, kind="k", subject="s", post="p", leaf=leaf, chain=chain
    )  # fmt: skip
    receipt = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))).sign(entry)
    return {
        "definitions": Plan(UNIFORM, encoding=UNIFORM_ENCODING).digest,
        "canonical": sha256(body).hexdigest(),
        "leaf": leaf.hex(),
        "chain": chain.hex(),
        "receipt": sha256(json.dumps(receipt.to_json(), sort_keys=True).encode()).hexdigest(),
    }


def contract() -> dict[str, Any]:
    """Return everything, as the file next to the old home holds it."""
    return {
        "routes": routes(),
        "commands": commands(),
        "variables": variables(),
        "kinds": kinds(),
        "tables": tables(),
        "features": features(),
        "digests": digests(),
    }
