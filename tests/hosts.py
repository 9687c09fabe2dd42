"""Fail where a tracked file names a package registry's host or a path of one machine."""

import subprocess
import sys

HOSTS = r"pyp[i]\.org|python[h]osted|np[m]js\.org|debia[n]\.org|/wor[k]/|/roo[t]/|/hom[e]/"
SEARCHES = (["-i", "-E", HOSTS], ["://", "--", "requirements*.lock"])
"""Brackets keep this file from finding itself; locks hold no address at all."""

if __name__ == "__main__":  # git ends with 1 where it finds no line, and above where it fails
    sys.exit(any(subprocess.call(["git", "grep", "-n", *one]) != 1 for one in SEARCHES))
