"""A real identity provider: django-oauth-toolkit as a process of its own, with users and groups.

Signs with a key of its own (RS256) and follows the code flow with PKCE. ``POST /control`` changes
it as an administrator, or an attacker who holds it, would: other groups, a person who left, another
key, an answer that is late, an ID token that says or is signed otherwise.

Run as ``python -m tests.integration.service.auth.identity_provider PORT``; keeps all in memory.
"""

import base64
import hmac
import json
import secrets
import sys
import time
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings

CLIENT, SECRET, PASSWORD = "darvoza", secrets.token_urlsafe(24), "secret of the provider"
PEOPLE = {
    "sam": ["supervisors", "oybek"],
    "sara": ["supervisors", "every-post", "customs"],
    "ann": ["analysts", "every-post"],
    "nik": ["cleaners", "every-post"],
    "guest": [],
    "rose": [],
    "lev": [],
    "lea": [],
    "kim": [],
    "oda": [],
    "rustam": [],
}
"""Users with their groups."""
CLAIM = "groups"


def make_key() -> str:
    """Return a new private key, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def configure(port: int) -> None:
    """Set Django up; the database is in memory and shared by the threads."""
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:provider?mode=memory&cache=shared",
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "oauth2_provider")),
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"login.html": _LOGIN}),
                        "django.template.loaders.app_directories.Loader",
                    ]
                },
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SESSION_COOKIE_NAME="provider_session",
        CSRF_COOKIE_NAME="provider_csrf",
        LOGIN_URL="/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://localhost:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": make_key(),
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.GroupValidator",
            "SCOPES": {"openid": "sign-on", "groups": "groups"},
            "PKCE_REQUIRED": True,
        },
    )
    django.setup()


_LOGIN = """<!doctype html><title>Provider</title><form method="post">{% csrf_token %}
<input name="username" id="username"><input name="password" id="password" type="password">
<input type="hidden" name="next" value="{{ next }}"><button id="go">Go</button></form>"""

BENT: dict[str, Any] = {}
"""How the next ID tokens differ from right ones."""
COUNTS: dict[str, int] = {}
"""Requests by path."""


def fill() -> None:
    """Make tables, users with groups, and the client."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0)
    for name, groups in PEOPLE.items():
        user = User.objects.create_user(
            name, f"{name}@example.org", PASSWORD, first_name="Gulnora", last_name="Karimova"
        )
        user.groups.set([Group.objects.get_or_create(name=one)[0] for one in groups])
    Application.objects.create(
        client_id=CLIENT,
        client_secret=SECRET,
        client_type="confidential",
        authorization_grant_type="authorization-code",
        algorithm="RS256",
        redirect_uris="",
        post_logout_redirect_uris="",
        skip_authorization=True,
    )


def control(request: Any) -> Any:
    """Do what a test asks for."""
    from django.contrib.auth.models import Group, User
    from django.http import JsonResponse
    from oauth2_provider.models import Application
    from oauth2_provider.settings import oauth2_settings

    asked = json.loads(request.body)
    BENT.clear()
    BENT.update(asked.get("bent", {}))
    if "groups" in asked:
        for name, groups in asked["groups"].items():
            found = [Group.objects.get_or_create(name=one)[0] for one in groups]
            User.objects.get(username=name).groups.set(found)
    if "leaves" in asked:
        User.objects.filter(username=asked["leaves"]).update(is_active=False)
    if "service" in asked:
        Application.objects.update(
            redirect_uris=" ".join(f"{one}/login/oidc/callback" for one in asked["service"]),
            post_logout_redirect_uris=" ".join(f"{one}/login" for one in asked["service"]),
        )
    if "rotate" in asked:
        oauth2_settings.OIDC_RSA_PRIVATE_KEY = make_key()
    return JsonResponse({"secret": SECRET, "counts": COUNTS})


def bend(token: str) -> str:
    """Return an ID token as :data:`BENT` asks for it; what signs is the arithmetic alone."""
    from oauth2_provider.settings import oauth2_settings

    head, body, _ = token.split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body))
    header |= BENT.get("header", {})
    claims = {k: v for k, v in (claims | BENT.get("claims", {})).items() if v is not None}
    signed = b".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    pem = make_key() if BENT.get("is_forged") else oauth2_settings.OIDC_RSA_PRIVATE_KEY
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = {
        "none": b"",
        "HS256": hmac.digest(public, signed, "sha256"),
        "RS256": key.sign(signed, padding.PKCS1v15(), hashes.SHA256()),
    }[header["alg"]]
    return b".".join((signed, _encode(signature))).decode()


def _encode(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def make_views() -> list[Any]:
    """Return the addresses of the provider."""
    from django.contrib.auth.views import LoginView
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider.views import TokenView

    class BendingTokenView(TokenView):  # type: ignore[misc]
        def post(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            answer = super().post(request, *args, **kwargs)
            time.sleep(BENT.get("seconds", 0))
            found = json.loads(answer.content)
            if "id_token" in found and not {"claims", "header", "is_forged"}.isdisjoint(BENT):
                found["id_token"] = bend(found["id_token"])
                answer.content = json.dumps(found).encode()
            return answer

    return [
        path("control", csrf_exempt(control)),
        path("login/", LoginView.as_view(template_name="login.html")),
        path("o/token/", BendingTokenView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]


def __getattr__(name: str) -> Any:
    """Make what Django asks for by name once it is set up."""
    if name == "urlpatterns":
        globals()["urlpatterns"] = make_views()
        return globals()["urlpatterns"]
    if name == "GroupValidator":
        from oauth2_provider.oauth2_validators import OAuth2Validator

        class GroupValidator(OAuth2Validator):  # type: ignore[misc]
            oidc_claim_scope = None

            def get_additional_claims(self, request: Any) -> dict[str, Any]:
                user = request.user
                groups = sorted(user.groups.values_list("name", flat=True))
                return {CLAIM: groups, "name": user.get_full_name(), "email": user.email}

        globals()[name] = GroupValidator
        return GroupValidator
    raise AttributeError(name)


class Handler(WSGIRequestHandler):
    """Counts requests, and logs none."""

    def log_message(self, *_: Any) -> None:
        COUNTS[self.path.partition("?")[0]] = COUNTS.get(self.path.partition("?")[0], 0) + 1


class Server(ThreadingMixIn, WSGIServer):
    """One thread a request, so that a late answer delays no other."""

    daemon_threads = True


def main() -> None:
    """Serve on a free port, and print it."""
    sys.modules["tests.integration.service.auth.identity_provider"] = sys.modules[__name__]
    server = Server(("127.0.0.1", 0), Handler)
    configure(server.server_port)
    fill()
    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
