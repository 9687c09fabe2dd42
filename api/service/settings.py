"""Settings of a deployment, from the environment; every setting has a safe default.

There is no default secret: keys are made by ``darvoza keys create``, the files under ``keys`` on
first use.
"""

from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.criteria.policy import Shares, ShiftTimes, Silence
from engine.domain.records import Record

MAIL_ADDRESS = r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$"
"""A plain address: no name, no quotes, nothing that a mail's head could be cut by."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Share = Annotated[float, Field(gt=0, lt=0.5)]


class Settings(BaseSettings):
    """Settings of the service; each is the environment variable ``DARVOZA_`` plus its name."""

    model_config = SettingsConfigDict(env_prefix="DARVOZA_", frozen=True)

    red_share: Share = 0.04
    """Share of a post's decisions picked for physical inspection by score."""
    yellow_share: Share = 0.08
    """Share picked for documents and scan by score."""
    blue_share: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Share picked for an audit after release by score."""
    random_share: Annotated[float, Field(ge=0.03, le=0.10)] = 0.03
    """Share drawn at random for physical inspection."""
    random_yellow_share: Annotated[float, Field(ge=0, le=0.10)] = 0.01
    """Share drawn at random for documents and scan."""
    random_blue_share: Annotated[float, Field(ge=0, le=0.10)] = 0.01
    """Share drawn at random for an audit after release."""
    blur: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Half width of the randomised band at a cut, as a part of the share above it."""
    utc_offset_minutes: Annotated[int, Field(ge=-12 * 60, le=14 * 60)] = 300
    """Local time less UTC, for pages of no post, and for posts that no network file names."""
    shift_starts_minute: Annotated[int, Field(ge=0, lt=24 * 60)] = 480
    """Minute of the local day at which a shift begins."""
    shift_hours: Annotated[int, Field(ge=1, le=24)] = 12
    """Length of a shift; must divide 24."""
    body_limit_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Longer request bodies are refused before they are read to their end."""
    key_seconds: Annotated[float, Field(gt=0, le=5)] = 2.0
    """How long a key that was looked up is believed; a revoked key lives on for at most this."""
    session_hours: Annotated[float, Field(gt=0, le=24)] = 12
    """How long a person stays signed in: a shift."""
    session_idle_minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 60
    """How long a session lasts that nobody uses; a page that is open does not use it."""
    training_address: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Address of the pages of a training home, to which the menu then leads."""
    taken_minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 120
    """How long an officer holds a vehicle that they took, where nothing ends it before."""
    model_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How often the service looks whether another model was put into force."""
    link_seconds: Annotated[float, Field(ge=0, le=24 * 3600)] = 60
    """How often the service exchanges with every link; 0 leaves it to commands."""
    link_stale_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 1
    """Longer silence of a node's centre is named in its decisions."""
    link_random_hours: Annotated[float, Field(gt=0, le=24 * 90)] = 24
    """After a longer one the random share is at its upper bound; not below the first."""

    oidc_seconds: Annotated[float, Field(gt=0, le=30)] = 5.0
    """How long one answer of the identity provider may take."""
    oidc_skew_seconds: Annotated[int, Field(ge=0, le=120)] = 30
    """How far the identity provider's clock may differ from this machine's."""
    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses and networks of proxies whose ``X-Forwarded-For`` says who asks, with commas."""

    query_seconds: Annotated[float, Field(ge=1, le=600)] = 60
    """How long one query from a page or over HTTP may run."""

    webhook_networks: str = ""
    """Networks that are not public and that events may be sent to, with commas."""
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    """How long a receiver of events may take to answer."""

    address: Annotated[str, Field(pattern=r"^(https?://[^\s/]+)?$")] = ""
    """Address at which people reach the service, for links in mails and pushes; else without."""
    smtp_host: str = ""
    """The server that takes mails about events; none without one."""
    smtp_port: Annotated[int, Field(ge=1, lt=1 << 16)] = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the line to it is encrypted; ``none`` to this machine alone."""
    smtp_user: str = ""
    """Who signs in there, with the password in ``keys/smtp-password``; nobody without a name."""
    smtp_from: Annotated[str, Field(pattern=MAIL_ADDRESS)] = "darvoza@localhost"
    """Sender of these mails."""

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        if self.smtp_security == "none" and self.smtp_host not in ("", *LOOPBACK):
            raise ValueError("smtp_security is none to this machine alone")
        return self

    @field_validator("trusted_proxies", "webhook_networks")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        for one in filter(None, value.split(",")):
            ip_network(one.strip(), strict=False)  # raises ValueError, which names it
        return value

    @property
    def first_policy(self) -> dict[str, Record]:
        """First values of the policy by setting; raises ``ValidationError``.

        They hold in a home that has none yet. Two people change them afterwards.
        """
        return {
            "shares": Shares(**{name: getattr(self, name) for name in Shares.model_fields}),
            "shift_times": ShiftTimes(
                starts_minute=self.shift_starts_minute,
                hours=self.shift_hours,
                utc_offset_minutes=self.utc_offset_minutes,
            ),
            "silence": Silence(
                stale_hours=self.link_stale_hours, random_hours=self.link_random_hours
            ),
        }
