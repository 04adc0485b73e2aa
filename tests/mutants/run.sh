#!/usr/bin/env bash
# Breaks the library in the four ways of *.patch, one after the other, and fails unless the
# simulation catches each of them within 1,000 seeds. A way that is caught shows that the oracle
# sees the damage; mutants of every line are `cargo mutants`' business.
set -euo pipefail
cd "$(dirname "$0")/../.."

patches=$PWD/tests/mutants
work=$PWD/target/mutants
# The copy lies in a checkout, and is to be patched as if it did not.
export GIT_CEILING_DIRECTORIES=$work
copy=$work/src

# One place for what the mutants share, so that only the library is built anew for each. As fast to
# build as the seeds are to run.
export CARGO_TARGET_DIR=$PWD/target/models
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
export CARGO_PROFILE_RELEASE_LTO=off
export CARGO_PROFILE_RELEASE_OPT_LEVEL=2
simulate=(cargo test -p level2 --release --no-default-features --test simulation)

rm -rf "$copy"
mkdir -p "$copy"
tar --exclude=./target --exclude=./.git -cf - . | tar -xf - -C "$copy"

for patch in "$patches"/*.patch; do
    name=$(basename "$patch" .patch)
    (cd "$copy" && git apply "$patch") || {
        echo "$name: the patch no longer applies; adapt it to the code" >&2
        exit 1
    }
    # A mutant that does not build would look like one that is caught.
    (cd "$copy" && "${simulate[@]}" --quiet --no-run)
    if (cd "$copy" && SEEDS=1000 "${simulate[@]}" whatever_strikes) >"$work/$name.log" 2>&1; then
        echo "$name: not caught by 1,000 seeds; see $work/$name.log" >&2
        exit 1
    fi
    caught=$(grep -o 'seeds that failed: \[[0-9, ]*\]' "$work/$name.log" || true)
    if [[ -z $caught ]]; then
        echo "$name: failed otherwise than by a seed; see $work/$name.log" >&2
        exit 1
    fi
    echo "$name: caught, ${caught#seeds that failed: }"
    (cd "$copy" && git apply --reverse "$patch")
done
