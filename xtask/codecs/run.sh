#!/usr/bin/env bash
# The backends of flate2 on the bytes of FILE, interleaved, medians of five rounds: xtask/codecs/run.sh FILE
# zlib-ng needs cmake; it is left out where it does not build.
set -euo pipefail
file=$(realpath "$1")
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for backend in miniz_oxide zlib-rs zlib-rs-detect zlib-ng; do
    if cargo build --quiet --release --features "$backend"; then
        cp "${CARGO_TARGET_DIR:-target}/release/codecs" "$bin/$backend"
    fi
done
cp "$bin/zlib-rs" "$bin/libdeflate"
for _ in 1 2 3 4 5; do
    for program in "$bin"/*; do "$program" "$(basename "$program")" "$file"; done
done | sort -t$'\t' -k2,2 -k1,1 -k3,3n | awk -F'\t' '{ n[$2 "\t" $1]++; v[$2 "\t" $1, n[$2 "\t" $1]] = $3 }
    END { for (key in n) print key "\t" v[key, int((n[key] + 1) / 2)] " MB/s" }' | sort
