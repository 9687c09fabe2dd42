#!/bin/sh
# Install Darvoza from the bundle in which this file is, without a network, or from a tree (`make install`).
#
#   sh install.sh [--prefix /opt/darvoza] [--python python3] [--key release.pub]
#
# Needs Python 3.11 to 3.13 with pip. The key is the publisher's; get it by another way than the bundle.
set -eu
prefix=/opt/darvoza python=python3 key=
while [ $# -gt 0 ]; do
    case "$1" in
        --prefix) prefix=$(readlink -m "$2") ;;
        --python) python=$2 ;;
        --key) key=$(readlink -f "$2") ;;
        *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
cd "$(dirname "$0")"
[ -e SHA256SUMS ] || cd ..
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
export VIRTUAL_ENV="$prefix/.venv" UV_LINK_MODE=copy

if [ -e SHA256SUMS ]; then
    sha256sum --check --quiet --strict SHA256SUMS
    if [ -n "$key" ]; then
        openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
    else
        echo "install.sh: the files are whole; whose they are was not checked (--key)" >&2
    fi
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    ls wheels/numpy-*-"$tag"-*.whl >/dev/null 2>&1 || {
        echo "install.sh: the bundle has no wheels for $("$python" --version): choose another by --python" >&2
        exit 2
    }
    wheels=wheels source="--no-index --find-links wheels"
    export UV_OFFLINE=true UV_NO_CONFIG=true UV_CACHE_DIR="$tools/cache"
else
    [ -z "$key" ] || { echo "install.sh: here is no bundle whose signature --key could check" >&2; exit 2; }
    wheels=$tools/wheels source=
fi
if [ -z "${UV:-}" ]; then
    # shellcheck disable=SC2086 - the source is words
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore $source \
        --require-hashes --target "$tools/pip" --requirement requirements-uv.lock
    UV=$tools/pip/bin/uv
fi
[ -n "$source" ] || "$UV" build --quiet --wheel --out-dir "$wheels"
"$UV" venv --quiet --clear --no-project --python "$python" "$VIRTUAL_ENV"
# shellcheck disable=SC2086
"$UV" pip sync --quiet $source --require-hashes --compile-bytecode requirements-train.lock
"$UV" pip install --quiet --no-index --no-deps --compile-bytecode "$wheels"/darvoza-*.whl
mkdir -p "$prefix/share"
cp -R deploy docs "$prefix/share/"
echo "installed: $prefix/.venv/bin/darvoza. Next: $prefix/share/docs/handbook.md"
