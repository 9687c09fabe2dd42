#!/bin/sh
# Write a bundle to carry to a machine without a network. Called by `make bundle`, which says what it takes:
# OUT, a folder that does not exist; KEY, an Ed25519 private key (openssl genpkey -algorithm ed25519);
# PYTHONS and PLATFORM, for what to fetch wheels; PYTHON, an interpreter with pip; UV.
set -eu
test ! -e "$OUT" || { echo "make bundle: $OUT exists" >&2; exit 2; }
test -r "$KEY" || { echo "make bundle: KEY=FILE is the private key that signs" >&2; exit 2; }
mkdir -p "$OUT/wheels"
"$UV" build --quiet --wheel --out-dir "$OUT/wheels"
rm -f "$OUT/wheels/.gitignore"
for version in $PYTHONS; do
    # Markers are resolved for the machine that installs, not for this one.
    for lock in requirements-train.lock requirements-uv.lock; do
        "$UV" pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate --no-emit-index-url \
            --python-version "$version" --python-platform "$PLATFORM-manylinux_2_28" "$lock" >"$OUT/wanted.txt"
        "$PYTHON" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
            --only-binary :all: --implementation cp --python-version "$version" --abi "cp$(echo "$version" | tr -d .)" \
            --abi abi3 --abi none --platform "manylinux_2_28_$PLATFORM" --platform "manylinux_2_27_$PLATFORM" \
            --platform "manylinux_2_26_$PLATFORM" --platform "manylinux_2_24_$PLATFORM" \
            --platform "manylinux_2_17_$PLATFORM" --platform "manylinux2014_$PLATFORM" \
            --platform "manylinux_2_12_$PLATFORM" --platform "manylinux2010_$PLATFORM" \
            --platform "manylinux_2_5_$PLATFORM" --platform "manylinux1_$PLATFORM" \
            --dest "$OUT/wheels" --requirement "$OUT/wanted.txt"
    done
done
rm "$OUT/wanted.txt"
cp -R deploy docs CHANGELOG.md LICENSE README.md SECURITY.md requirements-train.lock requirements-uv.lock "$OUT/"
cp deploy/install.sh "$OUT/"
"$BIN/darvoza" sbom >"$OUT/sbom.json"
(cd "$OUT" && find . -type f ! -name 'SHA256SUMS*' | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS)
openssl pkeyutl -sign -inkey "$KEY" -rawin -in "$OUT/SHA256SUMS" -out "$OUT/SHA256SUMS.sig"
echo "bundle: $OUT"
