"""The doors of the area of sign-on by an identity provider."""

from typing import Final

from api.areas import Doors

DOORS: Final = Doors(
    name="sign_on",
    open_pages=frozenset({("GET", "/login/oidc"), ("GET", "/login/oidc/callback")}),
    page_routers=("api.oidc.page:router",),
    parts={"sign_on": "api.oidc.sign_on:SignOn"},
)
