# shellcheck shell=bash
# Sourced by scripts/lab: scenarios into boots, boots into results.

# usage: header FILE KEY - the value of "# KEY: value" at the top of a scenario
header() { sed -n "/^#/!q; s/^# $2: *//p" "$1" | head -n 1; }

scenario_file() { echo "$LAB/scenarios/$1.sh"; }

# Scenarios that may share a boot have the same of these: memory, Asterisk or not (its archive costs
# memory and time), and who wants a boot alone. The wiring is made anew for each scenario anyway.
boot_kind() {
    local f memory asterisk=no alone=; f=$(scenario_file "$1")
    memory=$(header "$f" memory)
    [ "$(header "$f" exchange)" != asterisk ] || { asterisk=yes; memory=${memory:-768}; }
    [ "$(header "$f" boot)" != alone ] || alone=$1
    echo "${memory:-256} $asterisk $alone"
}

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'; }

# --- our programs ---------------------------------------------------------------------------------

# usage: wants NAME... - what the scenarios named need of ours: "tipring", "dahdi_lab"
wants() { local n; for n; do header "$(scenario_file "$n")" needs | tr -s ', ' '\n'; done | sort -u | sed '/^$/d'; }

# usage: cargo_executable NAME CARGO-ARGUMENTS... - the executable of that target. By its name: a build reports others
# beside it, in any order.
cargo_executable() {
    local name=$1; shift
    (cd "$REPO" && nice cargo "$@" --message-format=json-render-diagnostics) |
        sed -n "/\"target\":{[^}]*\"name\":\"$name\"/s/.*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -n 1
}

# Our binaries, their libraries and the scenarios, in an archive of their own: it is all that changes
# from one run to the next. usage: pack_ours NAME...
pack_ours() {
    local r=$CACHE/ours t0=$EPOCHREALTIME want path; rm -rf "$r"; mkdir -p "$r"/{lab/scenarios,bin}
    cp "$LAB/guest/init" "$r/init"; chmod +x "$r/init"
    cp "$LAB"/guest/*.sh "$LAB"/guest/*.conf "$r/lab/"
    cp "$LAB"/scenarios/*.sh "$r/lab/scenarios/"
    for want in $(wants "$@"); do
        case $want in
            tipring) path=${TIPRING_BIN:-$(cargo_executable tipring build --bin tipring)};;
            dahdi_lab) path=${TIPRING_DAHDI_LAB:-$(cargo_executable dahdi_lab test --no-run --test dahdi_lab)};;
            *) echo "lab: no scenario may need \"$want\"" >&2; return 1;;
        esac
        [ -x "$path" ] || { echo "lab: $want was not built" >&2; return 1; }
        cp "$path" "$r/bin/$want"; strip --strip-debug "$r/bin/$want"; copy_libs "$r" "$path"
        printf 'lab: %-18s %5.1f s\n' "$want" "$(since "$t0")" >&2
    done
    pack "$r" "$CACHE/out/ours.cpio"
}

# --- one boot -------------------------------------------------------------------------------------

# Seconds of the host that a boot of these scenarios may take, for a guest that hangs: several times what they take on two
# quiet processors, for a busy machine's sake.
boot_limit() {
    local n limit sum=120
    for n; do limit=$(header "$(scenario_file "$n")" timeout); sum=$((sum + (${limit:-0} > 180 ? limit : 120))); done
    echo "$sum"
}

# Boot the guest once and run the scenarios in it. A line "NAME ok|FAIL VIRTUAL WALL" per scenario that
# ended is appended to the boot's .results; a guest that dies leaves the rest out. usage: boot ID NAME...
boot() {
    local id=$1 memory asterisk; shift
    read -r memory asterisk _ < <(boot_kind "$1")
    local dir=$CACHE/boot/$id log=$CACHE/out/$id.log; rm -rf "$dir"; mkdir -p "$dir/tree/lab"; : >"$dir/results"
    printf '%s\n' "$@" >"$dir/tree/lab/run"
    pack "$dir/tree" "$dir/run.cpio"
    local parts=("$CACHE/out/base.cpio" "$CACHE/out/ours.cpio")
    [ "$asterisk" = no ] || parts+=("$CACHE/out/asterisk.cpio")
    cat "${parts[@]}" "$dir/run.cpio" >"$dir/initrd"
    # -icount: guest time is counted in instructions and idle time is skipped, so that timing is exact
    # whatever this machine's load, and waiting costs nothing. Always TCG: a /dev/kvm that opens may
    # still be unable to run this kernel.
    # Without AVX: what has to be emulated is slower the wider its registers are.
    "${HOSTED[@]}" timeout -k 5 "${TIPRING_LAB_TIMEOUT:-$(boot_limit "$@")}" nice qemu-system-x86_64 \
        -L "$HOST/usr/share/qemu" -L "$HOST/usr/share/seabios" -L /usr/share/qemu -L /usr/share/seabios \
        -machine q35 -accel tcg,thread=single -icount "shift=${TIPRING_LAB_SHIFT:-1},sleep=off" -rtc base=2024-01-01,clock=vm \
        -cpu max,-avx2,-avx,-fma -smp 1 -m "$memory" -nodefaults -no-user-config -display none -no-reboot -serial stdio \
        -device isa-debug-exit,iobase=0x501,iosize=1 \
        -kernel "$KERNEL/vmlinux" -initrd "$dir/initrd" \
        -append "console=ttyS0,115200 ${TIPRING_LAB_APPEND:-quiet} cryptomgr.notests panic=-1 mitigations=off nokaslr tsc=reliable" \
        </dev/null > >(read_guest "$dir" "$log") 2>"$dir/qemu.err" &
    local qemu=$!
    echo "$qemu" >"$dir/pid"
    wait "$qemu" || true          # its status says nothing: the lines in the log do
    local n; for ((n = 0; n < 200; n++)); do [ ! -e "$dir/read" ] || break; sleep 0.05; done
    rm -f "$dir/pid" "$dir/initrd"
}

# The guest's console: kept as the boot's log, and turned into results as scenarios end.
# It reads in that log what it has just written to it.
# shellcheck disable=SC2094
read_guest() {
    set +e      # whatever goes wrong here, the guest's console has to be read to its end
    local dir=$1 log=$2 line name start=$EPOCHREALTIME rest virtual status
    while IFS= read -r line; do
        line=${line%$'\r'}
        printf '%s\n' "$line"
        case $line in
            'LAB-GUEST '*) printf 'lab: %s up after %.1f s: %s\n' "$(basename "$dir")" "$(since "$start")" "${line#LAB-GUEST }" >&3;;
            'LAB-DAHDI '*) [ -e "$dir/dahdi" ] || { echo "$line" >"$dir/dahdi"; echo "lab: $(basename "$dir") ${line#LAB-}" >&3; };;
            'LAB-BEGIN '*) start=$EPOCHREALTIME;;
            'LAB-END '*)
                read -r _ name status virtual rest <<<"$line"
                echo "$name $status $virtual $(since "$start")" >>"$dir/results"
                print_result "$name" "$status" "$virtual" "$(since "$start")" "$log" >&3;;
        esac
    done >"$log"
    : >"$dir/read"
}

print_result() {
    local name=$1 status=$2 virtual=$3 wall=$4 log=$5
    printf '%-4s %-28s %6.1f s virtual %6.1f s wall\n' "$status" "$name" "$virtual" "$wall"
    [ "$status" != FAIL ] || failing_checks "$log" "$name"
}

# What failed of a scenario, and where to read on.
failing_checks() {
    sed -n "/^LAB-BEGIN $2\$/,/^LAB-END /p" "$1" |
        awk '/^(ok  |LAB-|ast\||dmesg\|)/ { show = 0 } /^FAIL / { show = 1 } show && n++ < 40 { print "     " $0 }'
    echo "     log: $1"
}

# --- all boots ------------------------------------------------------------------------------------

# Run the scenarios in as few boots as suits two processors. usage: run_scenarios NAME...
run_scenarios() {
    local per=${TIPRING_LAB_PER_BOOT:-8} jobs=${TIPRING_LAB_JOBS:-2} kind id=0 n
    local -A group=(); local kinds=() boots=()
    for n; do
        kind=$(boot_kind "$n")
        [ -n "${group[$kind]:-}" ] || kinds+=("$kind")
        group[$kind]+="$n "
    done
    for kind in "${kinds[@]}"; do
        read -ra names <<<"${group[$kind]}"
        for ((n = 0; n < ${#names[@]}; n += per)); do boots+=("${names[*]:n:per}"); done
    done
    rm -rf "${CACHE:?}/boot" "$CACHE"/out/boot-*.log; mkdir -p "$CACHE/boot"
    for n in "${boots[@]}"; do
        id=$((id + 1))
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
        # shellcheck disable=SC2086
        boot_until_done "boot-$id" $n &
    done
    wait
}

# A guest that dies takes its scenario with it, not the ones after it. usage: boot_until_done ID NAME...
boot_until_done() {
    local id=$1 n again=0; shift
    while [ $# -gt 0 ]; do
        boot "$id$([ $again = 0 ] || echo "-$again")" "$@"
        local dir; dir=$CACHE/boot/$id$([ $again = 0 ] || echo "-$again")
        local log; log=$CACHE/out/$(basename "$dir").log
        local left=()
        for n; do grep -q "^$n " "$dir/results" || left+=("$n"); done
        set -- "${left[@]}"
        [ $# -gt 0 ] || break
        [ ! -e "$CACHE/boot/stop" ] || break
        # the first without an end is the one that was running
        echo "FAIL the guest ended before this scenario did" >>"$log"
        echo "$1 FAIL 0 0" >>"$dir/results"
        print_result "$1" FAIL 0 0 "$log" >&3
        tail -n 12 "$log" | sed 's/^/     /' >&3
        shift; again=$((again + 1))
    done
}
