#!/usr/bin/env bash
# Fuzzes each target for some seconds: fuzz/run.sh SECONDS [TARGET..]
#
# Starts from the corpora that are kept and leaves what it finds new in fuzz/found, so that only
# what somebody chooses is kept. Ends with how often each target was run, and fails at the first
# input that a target fails on, which is then in fuzz/artifacts.
#
# Needs cargo-fuzz and a C++ compiler. Any toolchain will do without a sanitizer, and this library
# has no unsafe code for one to watch. Its dependencies have some; where the toolchain brings the
# sanitizer along, `FUZZ_SANITIZER=address RUSTC_BOOTSTRAP=1 fuzz/run.sh ..` watches that too.
# `FUZZ_COMPARES=1` makes each target a third as fast and shows libFuzzer what it compares with:
# it then finds words and numbers by itself. Debug assertions and overflow checks are always on.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?expected how many seconds to fuzz each target for}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(book_ops decode_agree key_text recording session)
fi
build=(--sanitizer "${FUZZ_SANITIZER:-none}")
[ "${FUZZ_COMPARES:-0}" = 1 ] || build+=(--no-trace-compares)

for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    options=(-max_total_time="$seconds" -timeout=10 -print_final_stats=1 -reload=0)
    # Larger inputs only cost executions; tests run those kept ones that are longer.
    case $target in
        book_ops) options+=(-max_len=256 -len_control=0) ;;
        session) options+=(-max_len=512 -len_control=0) ;;
        decode_agree) options+=(-max_len=1024 -dict=fuzz/decode_agree.dict) ;;
        recording) options+=(-max_len=4096 -dict=fuzz/decode_agree.dict) ;;
        key_text) options+=(-max_len=512) ;;
    esac
    log=fuzz/found/$target.log
    if ! cargo fuzz run "${build[@]}" "$target" \
        "fuzz/found/$target" "fuzz/corpus/$target" -- "${options[@]}" >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "fuzz: $target failed" >&2
        exit 1
    fi
    executions=$(awk '/number_of_executed_units/ { print $2 }' "$log")
    echo "fuzz: $target was run $executions times and did not fail"
done
