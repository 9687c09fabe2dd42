"""Fail where a tracked file names a package registry's host, or a path of one machine.

Run by ``make check``. The words are put together here, so that this file does not find itself.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOSTS = "|".join(("py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.org", "deb" + r"ian\.org"))
PATHS = "|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"))
FORBIDDEN = re.compile(f"{HOSTS}|{PATHS}", re.IGNORECASE)


def findings() -> list[str]:
    """Return ``file:line`` of each place; locks may not hold any address at all."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        is_lock = name.startswith("requirements")
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN.search(line) or (is_lock and "://" in line):
                found.append(f"{name}:{number}: a registry host, or a path of one machine")
    return found


if __name__ == "__main__":
    places = findings()
    sys.stdout.write("".join(f"{place}\n" for place in places))
    sys.exit(bool(places))
