"""Certificate of a course as a PDF file, in the reader's language.

Imported when the first one is asked for, as dossiers are.
"""

from api.cases.pdf_pages import GREY, DocumentPages
from api.exercises.certificates import SignedCertificate
from api.web.i18n import N_, ReaderLocale, mark_plural

WARNING = N_(
    "Training: all vehicles and finds are synthetic. It says nothing of a person's work at a post."
)
_EXERCISE = mark_plural(
    "level {level}, {vehicles} vehicle, {minutes} minutes, picked {picked}, skill {skill}",
    "level {level}, {vehicles} vehicles, {minutes} minutes, picked {picked}, skill {skill}",
)
_HOW_TO_CHECK = N_(
    "The digest is over all that this certificate states, and signed. Who has the public key from "
    "the programme checks this file with darvoza training verify; who runs the programme works the "
    "digest out again from the journal of the training home with darvoza training check."
)


def write_certificate(signed: SignedCertificate, speech: ReaderLocale) -> bytes:
    """Return the PDF file of a certificate, with what is signed among its properties."""
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
    return speech.say("{value} (between {low} and {high})", value=value, low=low, high=high)
