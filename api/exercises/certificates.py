"""Certificates of a course: what a trainee did, and a signed digest to check the paper by.

A course is the exercises of one training home, and a certificate is of all of them. It is worked
out from the journal and the solutions each time, so the same records give the same digest, and a
changed figure another one. The key that signs receipts of the home signs the digest, so that a file
is checked by anybody who has the public key from the people who run the programme.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.exercises.desk import ExerciseDesk
from api.web.i18n import N_, ReaderLocale, mark_plural
from engine.errors import ConflictError, InputError, NotFoundError, RecordError
from engine.journal.hash_chain import canonical
from engine.journal.receipts import Signer

Json = Mapping[str, Any]
_PURPOSE = b"darvoza training certificate 1"
_PARTS = {"certificate": dict, "key": str, "signature": str}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate states, as JSON values, and their digest."""

    content: Json

    @property
    def digest(self) -> str:
        """The SHA-256 of the content, as compact JSON with sorted keys."""
        return hashlib.sha256(canonical(self.content)).hexdigest()

    @property
    def message(self) -> bytes:
        """What is signed."""
        return _PURPOSE + bytes.fromhex(self.digest)

    @property
    def person(self) -> str:
        """The name of the account."""
        return str(self.content["person"])

    @property
    def made_of(self) -> datetime:
        """When the last exercise was closed."""
        return datetime.fromisoformat(self.content["closed_at"])

    @property
    def exercises(self) -> Sequence[Json]:
        """The exercises, in the order of the course."""
        found: Sequence[Json] = self.content["exercises"]
        return found


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate with the signature of a training home."""

    certificate: Certificate
    key: str
    """The public key that it names, as 64 hexadecimal digits; another one may have signed it."""
    signature: str
    """Ed25519, as 128 hexadecimal digits."""

    def to_json(self) -> str:
        """Return the signed content as it stands in the file, next to its pages."""
        parts = {
            "certificate": self.certificate.content,
            "key": self.key,
            "signature": self.signature,
        }
        return canonical(parts).decode()

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Tell whether this key signed what the certificate states."""
        try:
            key.verify(bytes.fromhex(self.signature), self.certificate.message)
        except (InvalidSignature, RecordError, ValueError):
            return False
        return True


def sign_certificate(made: Certificate, signer: Signer) -> SignedCertificate:
    """Return a certificate with a signature; equal ones have equal signatures."""
    key = signer.public_key.public_bytes_raw().hex()
    return SignedCertificate(made, key, signer.sign_message(made.message).hex())


def read_public_key(text: str) -> Ed25519PublicKey:
    """Return the key of 64 hexadecimal digits; raises ``RecordError``."""
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex("".join(text.split())))
    except ValueError:
        why = "64 hexadecimal digits, as darvoza training key prints them"
        raise RecordError("certificate", "key", "malformed", why) from None


def read_signed(path: Path) -> SignedCertificate:
    """Return what a certificate's file states, signed by this key or not.

    Raises ``InputError`` for a file that is none.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        known = PdfReader(path).metadata
        found = json.loads("" if known is None else str(known.get("/Keywords", "")))
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
    except (PyPdfError, ValueError, RecursionError):
        raise InputError(path.name, "is no certificate of a training home") from None
    is_whole = isinstance(found, dict) and found.keys() == _PARTS.keys()
    if not is_whole or any(type(found[name]) is not kind for name, kind in _PARTS.items()):
        raise InputError(path.name, "is no certificate of a training home")
    return SignedCertificate(Certificate(found["certificate"]), found["key"], found["signature"])


def verify_signed(path: Path, key: Ed25519PublicKey) -> Certificate:
    """Return what a certificate's file states, signed by a key.

    Raises ``InputError`` for another file, and ``RecordError`` where the key did not sign it.
    """
    signed = read_signed(path)
    if not signed.is_signed_by(key):
        why = "this key did not sign what the file states"
        raise RecordError("certificate", "signature", "not_signed", why)
    return signed.certificate


def make_certificate(desk: ExerciseDesk, person: str) -> Certificate:
    """Return a trainee's certificate; raises ``ConflictError`` until the course is finished."""
    closings = {one.exercise_id: one for one in desk.list_closings(person)}
    course = desk.list_exercises()
    if not closings:
        raise NotFoundError("ended exercise", person)
    if open_ones := [name for name, _ in course if name not in closings]:
        why = f"exercises of the course are not closed yet: {', '.join(open_ones)}"
        raise ConflictError("course", person, why)
    measured = desk.measure(person)
    skills = {one["exercise"]: one["skill"] for one in measured["exercises"]}
    attempts = {name: desk.read_attempt(name, person) for name, _ in course}
    exercises = [
        {
            "exercise": name,
            "level": body["level"],
            "vehicles": body["vehicles"],
            "minutes": body["minutes"],
            "picked": len(attempts[name].picks),
            "skill": skills[name],
            "record": closings[name].sequence,
            "chain": closings[name].chain,
        }
        for name, body in course
    ]
    content = {
        "training": True,
        "synthetic": True,
        "journal": desk.journal_id(),
        "person": person,
        "exercises": exercises,
        "finds": measured["finds"],
        "skill": measured["skill"],
        "closed_at": max(one.closed_at for one in closings.values()),
    }
    return Certificate(content)


def list_certificates(desk: ExerciseDesk) -> list[Certificate]:
    """Return the certificates of all who finished the course, by name of account."""
    found = []
    for person in desk.list_people():
        try:
            found.append(make_certificate(desk, person))
        except ConflictError:  # the course goes on
            continue
    return found


def find_certificate(desk: ExerciseDesk, digest: str) -> Certificate:
    """Return the certificate that a digest belongs to; raises ``NotFoundError``."""
    wanted = "".join(digest.split()).lower()
    for one in list_certificates(desk):
        if one.digest == wanted:
            return one
    raise NotFoundError("certificate", wanted)


WARNING = N_(
    "Training: all vehicles and finds are synthetic. It says nothing of a person's work at a post."
)
_EXERCISE = mark_plural(
    "level %(level)s, %(vehicles)s vehicle, %(minutes)s minutes, picked %(picked)s, "
    "skill %(skill)s",
    "level %(level)s, %(vehicles)s vehicles, %(minutes)s minutes, picked %(picked)s, "
    "skill %(skill)s",
)
_HOW_TO_CHECK = N_(
    "The digest is over all that this certificate states, and signed. Who has the public key from "
    "the programme checks this file with darvoza training verify; who runs the programme works the "
    "digest out again from the journal of the training home with darvoza training check."
)


def write_certificate(signed: SignedCertificate, speech: ReaderLocale) -> bytes:
    """Return the PDF file of a certificate, with what is signed among its properties."""
    from api.web.document_pdf import GREY, DocumentPages  # its library is slow to import

    certificate = signed.certificate
    say, content = speech.say, certificate.content
    page = DocumentPages(
        " ".join([say("Training certificate"), certificate.person]),
        language=speech.code,
        made_of=certificate.made_of,
        foot=[certificate.person, say("Training")],
    )
    page.set_keywords(signed.to_json())
    page.put_title(say("Training certificate"), say("Course of vehicle selection and search"))
    page.put_warning(say(WARNING))
    page.ln(4)
    page.put_facts(
        [
            (say("Account"), certificate.person),
            (say("Finished"), speech.moment(certificate.made_of)),
            (say("Training journal"), str(content["journal"])),
            (say("Skill"), _say_range(speech, content["skill"])),
            ("", say("0 is chance, 1 the best possible; the interval is at 95 %.")),
        ]
    )
    page.put_heading(say("Vehicles with a find"))
    names = (
        ("trainee", say("The trainee")),
        ("engine", say("The engine")),
        ("chance", say("Chance")),
        ("best", say("The best possible")),
    )
    page.put_facts([(name, _say_range(speech, content["finds"][code])) for code, name in names])
    page.put_heading(say("Exercises"))
    for one in certificate.exercises:
        about = speech.count(
            *_EXERCISE,
            one["vehicles"],
            level=speech.number(one["level"]),
            vehicles=speech.number(one["vehicles"]),
            minutes=speech.number(one["minutes"]),
            picked=speech.number(one["picked"]),
            skill=speech.number(one["skill"], 2),
        )
        page.put_facts([(str(one["exercise"]), about)])
    page.put_heading(say("To check it by"))
    page.put_line(certificate.digest, style="B")
    page.put_facts([(say("Public key"), signed.key), (say("Signature"), signed.signature)])
    page.put_line(say(_HOW_TO_CHECK), size=8, grey=GREY)
    return bytes(page.output())


def _say_range(speech: ReaderLocale, one: dict[str, float]) -> str:
    value, low, high = (speech.number(one[name], 2) for name in ("value", "low", "high"))
    return speech.say("%(value)s (between %(low)s and %(high)s)", value=value, low=low, high=high)
