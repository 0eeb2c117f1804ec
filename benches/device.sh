#!/usr/bin/env bash
# Everything that wants a GPU, in ten minutes (the limits of the steps, together): the self-test, every operation and every family against the processor in f64, the lab on the
# device, the benches. Leaves its tables in $OUT (default: device-check).
#
#     benches/device.sh build          where there is Rust: makes device-check/bin from this checkout
#     benches/device.sh                where there is the GPU, and a python3 with torch, transformers, peft and safetensors
set -uo pipefail
cd "$(dirname "$0")/.."
bin=device-check/bin

if [ "${1:-}" = build ]; then
    set -e
    mkdir -p "$bin"
    program() { cargo "$@" --message-format=json 2>/dev/null | python3 -c '
import json, sys
names = [json.loads(line).get("executable") for line in sys.stdin]
print([name for name in names if name][-1])'; }
    cp "$(program build --release -p titer-cli)" "$bin/titer"
    for test in conformance devices; do cp "$(program test --release --no-run -p titer-model --test $test)" "$bin/$test"; done
    cp "$(program bench --no-run -p titer-model --bench device)" "$bin/bench"
    strip "$bin"/*
    du -sh "$bin"
    exit
fi

out="${OUT:-device-check}"
mkdir -p "$out"
device="${DEVICE:-cuda}"
if [ -z "${TITER_TORCH:-}" ]; then
    TITER_TORCH="$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] + "/lib" if s else "")' | tail -n 1)"
fi
if [ ! -d "$TITER_TORCH" ]; then
    echo "there is no torch: $(command -v python3 || echo python3, which is not on the path,) has none; activate an environment that has it, or name its folder of libraries with TITER_TORCH" >&2
    exit 2
fi
export TITER_TORCH
export XDG_CACHE_HOME="$out/cache"
step() { local name="$1"; shift; echo "== $name"; ( time timeout "$LIMIT" "$@" ) >"$out/$name.txt" 2>&1; echo "$name: exit $?" | tee -a "$out/steps.txt"; tail -n 3 "$out/$name.txt"; }

LIMIT=40 step devices "$bin/titer" devices
# The tests find their reference folders in this checkout, where it is not the one that built them.
LIMIT=50 TITER_DEVICE=$device step conformance "$bin/conformance"
LIMIT=90 TITER_DEVICE=$device step families "$bin/devices"
LIMIT=50 step pressure "$bin/titer" pressure --items 16 --device "$device" --json
LIMIT=50 step doctor "$bin/titer" doctor organism --items 16 --device "$device"
LIMIT="${BENCH_LIMIT:-310}" step bench python3 benches/device.py --device "$device" --program "$bin/bench" --seconds "${BENCH_SECONDS:-240}" --out "$out/bench.json"
cat "$out/steps.txt"
