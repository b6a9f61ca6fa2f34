# shellcheck shell=bash
# Sourced by scripts/lab: everything the guest is made of, kept in $CACHE. Nothing is installed on this
# machine and nothing needs root: packages are downloaded with apt into the cache and unpacked there, the
# tools that are missing here (QEMU, cpio, ...) as well as the guest's kernel.
#
#   fetch_packages -> unpack_host, unpack_kernel -> build_dahdi -> build_labline -> pack_base
#                  \-> unpack_asterisk -> pack_asterisk                  our binary -> pack_ours (boot.sh)

# Tools of this machine that may be missing, as command:package.
HOST_TOOLS=(qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod modprobe:kmod jq:jq
            make:make gcc:gcc strip:binutils xz:xz-utils bzip2:bzip2)
# The DAHDI modules the lab uses; their own needs (oslec's echo.ko) come along.
DAHDI_MODULES='dahdi.o dahdi_dynamic.o dahdi_dynamic_loc.o dahdi_echocan_mg2.o dahdi_echocan_kb1.o dahdi_echocan_jpah.o'
GUEST_MODULES='dahdi dahdi_dynamic dahdi_dynamic_loc dahdi_echocan_mg2 dahdi_echocan_kb1 dahdi_echocan_jpah dahdi_echocan_oslec labline'
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# What stops this machine, in one line on stdout; nothing when the lab can run.
why_not() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "the guest is x86_64 Linux, this machine is $(uname -s) $(uname -m)"; return; }
    [ -e "$CACHE/stamps/pack_base" ] && return
    { command -v apt-get && command -v dpkg-deb; } >/dev/null || { echo "no apt here to fetch the guest's packages with"; return; }
    [ -r "$KEYRING" ] || { echo "no Debian archive keyring ($KEYRING)"; return; }
    apt_setup
    apt_lists || { echo "the Debian package archive cannot be reached"; return; }
    local p
    for p in linux-headers-amd64 dahdi-source qemu-system-x86; do
        apt-cache "${APT[@]}" show "$p" >/dev/null 2>&1 || { echo "this system's package archive has no $p"; return; }
    done
}

# Run a step unless it was done with the same inputs. The key is the step's own text and what the
# caller says it was made from. usage: step NAME KEY...
step() {
    local name=$1 key rc t0=$EPOCHREALTIME; shift
    key=$(printf '%s\n' "$(declare -f "$name")" "$@" | sha256sum | cut -c1-32)
    [ "$(cat "$CACHE/stamps/$name" 2>/dev/null)" = "$key" ] && return 0
    rm -f "$CACHE/stamps/$name"
    # in the background, because "set -e" means nothing inside a condition
    (set -euo pipefail; "$name") >"$CACHE/out/$name.log" 2>&1 &
    wait $! && rc=0 || rc=$?
    if [ $rc != 0 ]; then
        tail -n 25 "$CACHE/out/$name.log" >&2
        echo "lab: $name failed, see $CACHE/out/$name.log" >&2
        return 1
    fi
    echo "$key" >"$CACHE/stamps/$name"
    printf 'lab: %-18s %5.1f s\n' "$name" "$(since "$t0")" >&2
}

hash_of() { cat "$@" | sha256sum | cut -c1-32; }

# Commands of the unpacked tools first, with their libraries.
hosted() { "${HOSTED[@]}" "$@"; }

hosted_setup() {
    local modules=/usr/lib/x86_64-linux-gnu/qemu
    [ ! -d "$HOST$modules" ] || modules=$HOST$modules
    HOSTED=(env PATH="$HOST/usr/bin:$HOST/usr/sbin:$HOST/bin:$HOST/sbin:$PATH:/usr/sbin:/sbin"
        LD_LIBRARY_PATH="$HOST/usr/lib/x86_64-linux-gnu:$HOST/lib/x86_64-linux-gnu" QEMU_MODULE_DIR="$modules")
}

prepare() {
    mkdir -p "$CACHE"/{stamps,out,debs/partial,apt/lists/partial}
    echo '*' >"$CACHE/.gitignore"
    HOST=$CACHE/host KERNEL=$CACHE/kernel DAHDI=$CACHE/build/modules/dahdi
    step fetch_packages "${HOST_TOOLS[*]}"
    KV=$(cat "$CACHE/debs/kernel-abi")
    local versions; versions=$(ls "$CACHE/debs")
    step unpack_host "$versions"
    hosted_setup
    KHDR=$HOST/usr/src/linux-headers-$KV
    step unpack_kernel "$versions"
    step build_dahdi "$versions" "$DAHDI_MODULES"
    step build_labline "$versions" "$(hash_of "$LAB"/labline/*)"
    step pack_base "$versions" "$GUEST_MODULES" "$(hash_of "$LAB"/labline/* "$LAB"/guest/*.c)"
}

# Asterisk only for the scenarios that ask for it. Debian 11 has the last Asterisk in a stable release;
# sid's is taken should that go.
prepare_asterisk() {
    step fetch_asterisk
    step pack_asterisk "$(ls "$CACHE/asterisk/debs")" "$(hash_of "$LAB"/asterisk/*)"
}

# --- packages -------------------------------------------------------------------------------------

# Own lists and own archive directory: no root, no lock, and nobody else's "apt-get clean" in the way.
apt_setup() {
    mkdir -p "$CACHE"/{debs/partial,apt/lists/partial}
    APT=(-o Dir::State::lists="$CACHE/apt/lists" -o Dir::Cache::archives="$CACHE/debs" -o Dir::Cache::pkgcache=
         -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Languages=none
         -o Acquire::Retries=3 -o APT::Get::Assume-Yes=true)
}

apt_lists() {
    [ -n "${APT_FRESH:-}" ] && return
    # an update hook of this machine's apt configuration may fail for want of root: the lists decide
    apt-get "${APT[@]}" -q update >"$CACHE/apt/update.log" 2>&1 || true
    apt-cache "${APT[@]}" show dpkg >/dev/null 2>&1 || return 1
    APT_FRESH=1
}

fetch_packages() {
    apt_setup; apt_lists
    local abi need=() t
    # the ABI that headers and image share today; security updates replace it
    abi=$(apt-cache "${APT[@]}" depends linux-headers-amd64 | sed -n 's/.*Depends: linux-headers-//p' | head -n 1)
    [ -n "$abi" ]
    rm -f "$CACHE"/debs/*.deb
    for t in "${HOST_TOOLS[@]}"; do
        # TIPRING_LAB_OWN_TOOLS: as if none were here
        { [ -z "${TIPRING_LAB_OWN_TOOLS:-}" ] && PATH=$PATH:/usr/sbin:/sbin command -v "${t%%:*}" >/dev/null; } || need+=("${t#*:}")
    done
    # tools with everything they need that is not installed here; downloaded only, so whatever apt would
    # have to remove for them stays
    apt-get "${APT[@]}" -q install --download-only --no-install-recommends "${need[@]}" "linux-headers-$abi"
    # and what goes into the guest or is built for it, installed here or not
    cd "$CACHE/debs"
    local closure
    closure=$(apt-cache "${APT[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "linux-headers-$abi" | grep -E "^(linux-headers-|linux-kbuild-|linux-compiler-gcc)" | sort -u)
    # shellcheck disable=SC2086
    apt-get "${APT[@]}" -q download "linux-image-$abi" dahdi dahdi-source busybox-static $closure \
        "$(apt-cache "${APT[@]}" depends dahdi | sed -n 's/.*Depends: \(libtonezone[^ ]*\)/\1/p')"
    echo "$abi" >kernel-abi
}

# usage: unpack TREE DEB...
unpack() {
    local tree=$1 d; shift
    for d; do dpkg-deb -x "$d" "$tree"; done
}

unpack_host() {
    rm -rf "$HOST"; mkdir -p "$HOST"
    local d
    for d in "$CACHE"/debs/*.deb; do
        case ${d##*/} in linux-image-*|dahdi_*|linux-perf*|linux-libc-dev*) ;; *) unpack "$HOST" "$d";; esac
    done
    # the headers' makefiles name their siblings by absolute path
    sed -i "s#/usr/src/#$HOST/usr/src/#; s#/usr/lib/linux-kbuild#$HOST/usr/lib/linux-kbuild#" "$HOST"/usr/src/linux-headers-*/Makefile
    find "$HOST/usr/src" -type l -lname '/usr/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link to; do ln -sfn "$HOST$to" "$link"; done
    hosted_setup
    hosted qemu-system-x86_64 --version
}

unpack_kernel() {
    rm -rf "$KERNEL"; mkdir -p "$KERNEL"
    unpack "$KERNEL" "$CACHE"/debs/linux-image-*.deb "$CACHE"/debs/dahdi_*.deb
    [ -e "$KERNEL/lib" ] || ln -s usr/lib "$KERNEL/lib"
    extract_vmlinux "$KERNEL/boot/vmlinuz-$KV" "$KERNEL/vmlinux"
}

# The ELF inside a bzImage (Documentation/x86/boot: setup_sects at 0x1f1, payload_offset and
# payload_length at 0x248). It has a PVH note, so QEMU starts it at once: no BIOS, no decompressor,
# which under emulation is most of a boot.
extract_vmlinux() {
    local setup offset length magic
    setup=$(od -An -tu1 -j497 -N1 "$1"); read -r offset length < <(od -An -tu4 -j584 -N8 "$1")
    [ $((setup)) -gt 0 ] || setup=4
    dd if="$1" of="$2.packed" bs=1M iflag=skip_bytes,count_bytes skip=$(((setup + 1) * 512 + offset)) count="$length" status=none
    magic=$(od -An -tx1 -N4 "$2.packed" | tr -d ' ')
    case $magic in
        fd377a58) hosted xz -dc --single-stream <"$2.packed" >"$2";;
        1f8b*) gzip -dc <"$2.packed" >"$2" || [ $? = 2 ];;   # 2: the appended size is trailing garbage
        28b52ffd) hosted zstd -dcq <"$2.packed" >"$2" || [ -s "$2" ];;
        *) echo "kernel payload $magic is not known"; return 1;;
    esac
    [ "$(head -c 4 "$2" | od -An -tx1 | tr -d ' ')" = 7f454c46 ]
    rm "$2.packed"
}

# --- modules --------------------------------------------------------------------------------------

build_dahdi() {
    rm -rf "$CACHE/build/modules"; mkdir -p "$CACHE/build"
    hosted tar -C "$CACHE/build" -xjf "$HOST/usr/src/dahdi.tar.bz2"
    hosted make -C "$DAHDI" KVERS="$KV" KSRC="$KHDR" include/dahdi/version.h
    # DAHDI_BUILD_ALL empty (not "n"): only what DAHDI_MODULES_EXTRA names, instead of every card's driver
    hosted nice make -j2 -C "$KHDR" M="$DAHDI/drivers/dahdi" DAHDI_INCLUDE="$DAHDI/include" HOTPLUG_FIRMWARE=no \
        DAHDI_BUILD_ALL= DAHDI_MODULES_EXTRA="$DAHDI_MODULES" modules
}

build_labline() {
    rm -rf "$CACHE/build/labline"; mkdir -p "$CACHE/build/labline"
    cp "$LAB"/labline/* "$CACHE/build/labline/"
    # modpost needs the CRCs of what dahdi.ko exports
    hosted nice make -C "$KHDR" M="$CACHE/build/labline" DAHDI_INCLUDE="$DAHDI/include" \
        KBUILD_EXTRA_SYMBOLS="$DAHDI/drivers/dahdi/Module.symvers" modules
    ! grep -q 'warning:' "$CACHE/out/build_labline.log"
}

# --- initramfs ------------------------------------------------------------------------------------

# usage: copy_libs ROOT PROGRAM - the shared libraries of a program, where its loader looks for them
copy_libs() {
    local lib
    hosted ldd "$2" | sed -n 's/^[[:space:]]*\([^ ]* => \)\{0,1\}\(\/[^ ]*\) (.*/\2/p' | while read -r lib; do
        case $lib in
            */ld-linux*) mkdir -p "$1/lib64"; cp -nL "$lib" "$1/lib64/";;
            *) mkdir -p "$1/usr/lib/x86_64-linux-gnu"; cp -nL "$lib" "$1/usr/lib/x86_64-linux-gnu/";;
        esac
    done
}

# usage: pack DIRECTORY ARCHIVE; the kernel takes several such archives one after the other
pack() { (cd "$1" && find . | LC_ALL=C sort | hosted cpio -o -H newc -R 0:0 --quiet) >"$2.new" && mv "$2.new" "$2"; }

pack_base() {
    local r=$CACHE/base m=$KERNEL/lib/modules/$KV a t
    rm -rf "$r"; mkdir -p "$r"/{bin,sbin,dev,proc,sys,tmp,run,etc/dahdi,lab,usr/bin,lib/modules/"$KV"}
    cp "$(find "$HOST" -path '*bin/busybox' -print -quit)" "$r/bin/busybox"
    for a in $("$r/bin/busybox" --list); do [ -e "$r/bin/$a" ] || ln -s busybox "$r/bin/$a"; done
    ln -s ../bin/busybox "$r/sbin/modprobe"         # where the kernel's request_module() looks
    rm -rf "$m/extra"; mkdir -p "$m/extra"
    find "$DAHDI" "$CACHE/build/labline" -name '*.ko' -exec cp {} "$m/extra/" \;
    hosted depmod -b "$KERNEL" "$KV"
    cp "$m"/modules.{builtin,order,builtin.modinfo} "$r/lib/modules/$KV/"
    for t in $GUEST_MODULES; do
        hosted modprobe -d "$KERNEL" -S "$KV" --show-depends "$t"
    done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r t; do
        mkdir -p "$r/lib/modules/$KV/$(dirname "${t#"$m/"}")"
        cp "$t" "$r/lib/modules/$KV/${t#"$m/"}"
    done
    find "$r/lib/modules" -name '*.ko' -exec strip --strip-debug {} +
    hosted depmod -b "$r" "$KV"
    for t in dahdi_cfg dahdi_scan dahdi_test; do
        cp "$KERNEL/usr/sbin/$t" "$r/sbin/"; copy_libs "$r" "$r/sbin/$t"
    done
    t=$(hosted sh -c 'command -v jq'); cp "$t" "$r/bin/jq"; copy_libs "$r" "$t"
    for t in "$LAB"/guest/*.c; do
        gcc -O2 -Wall -Wextra -Werror -static -I "$DAHDI/include" -o "$r/bin/$(basename "${t%.c}")" "$t" -lm
    done
    printf 'root:x:0:0::/:/bin/sh\n' >"$r/etc/passwd"; printf 'root:x:0:\n' >"$r/etc/group"
    pack "$r" "$CACHE/out/base.cpio"
}

# --- Asterisk -------------------------------------------------------------------------------------

fetch_asterisk() {
    apt_setup; apt_lists
    local uri suite s=$CACHE/asterisk
    # the archive this machine uses, whatever its name: same place, another suite
    # shellcheck disable=SC2016
    uri=$(apt-get "${APT[@]}" indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(CREATED_BY)' |
        awk -v code="$(. /etc/os-release; echo "$VERSION_CODENAME")" '$2 == code && $3 == "main" { print $1; exit }')
    [ -n "$uri" ]
    for suite in bullseye sid; do
        rm -rf "$s"; mkdir -p "$s"/{lists/partial,debs/partial}; : >"$s/status"
        echo "deb [signed-by=$KEYRING] $uri $suite main" >"$s/sources.list"
        local apt=("${APT[@]}" -o Dir::Etc::sourcelist="$s/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$s/lists"
            -o Dir::State::status="$s/status" -o Dir::Cache::archives="$s/debs")
        if apt-get "${apt[@]}" -q update &&
            apt-get "${apt[@]}" -q install --no-install-recommends --download-only asterisk asterisk-dahdi; then
            rm -rf "$s/lists"; echo "$suite" >"$s/debs/suite"
            return 0
        fi
    done
    return 1
}

pack_asterisk() {
    local t=$CACHE/asterisk/tree r=$CACHE/asterisk/root d f m n p todo next seen=' '
    rm -rf "$t" "$r"; mkdir -p "$t"
    for d in "$CACHE"/asterisk/debs/*.deb; do
        case ${d##*/} in gcc*|g++*|cpp*|linux-*|make*|perl*|python*|dkms*|libc6-dev*|binutils*) ;; *) unpack "$t" "$d";; esac
    done
    local a=$r/ast
    mkdir -p "$a"/{etc/asterisk,usr/sbin,usr/lib/asterisk/modules,usr/lib/x86_64-linux-gnu,lib64,usr/share/asterisk,dev,proc,sys,tmp} \
        "$a"/var/{lib,spool,run,log}/asterisk
    cp "$t/usr/sbin/asterisk" "$a/usr/sbin/"
    for f in indications features codecs udptl ccss acl dsp stasis; do cp "$t/etc/asterisk/$f.conf" "$a/etc/asterisk/" 2>/dev/null || true; done
    cp "$LAB"/asterisk/*.conf "$a/etc/asterisk/"
    sed -n 's/^load=//p' "$LAB/asterisk/modules.conf" | while read -r m; do cp "$t/usr/lib/asterisk/modules/$m" "$a/usr/lib/asterisk/modules/"; done
    mkdir -p "$a/usr/share/asterisk/documentation"
    # modules refuse to load without the documentation of their options; the rest of it (1 MB to parse,
    # seconds under emulation) nobody reads
    {
        echo '<?xml version="1.0" encoding="UTF-8"?><docs xmlns:xi="http://www.w3.org/2001/XInclude">'
        awk '/<configInfo/, /<\/configInfo>/' "$t/usr/share/asterisk/documentation/core-en_US.xml" | grep -v '<xi:include'
        echo '</docs>'
    } >"$a/usr/share/asterisk/documentation/core-en_US.xml"
    cp -L "$t"/lib64/ld-linux-x86-64.so.2 "$a/lib64/" 2>/dev/null || cp -L "$t"/lib/x86_64-linux-gnu/ld-2*.so "$a/lib64/ld-linux-x86-64.so.2"
    # the closure of its libraries, by name inside the tree: this machine's are of another release
    todo=$(find "$a/usr" -type f \( -name asterisk -o -name '*.so' \))
    while [ -n "$todo" ]; do
        next=
        for f in $todo; do
            for n in $(readelf -d "$f" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
                case $seen in *" $n "*) continue;; esac
                seen+="$n "
                p=$(find "$t" -name "$n" -print -quit)
                [ -n "$p" ] || { echo "no $n"; continue; }
                cp -L "$p" "$a/usr/lib/x86_64-linux-gnu/$n"; next+=" $a/usr/lib/x86_64-linux-gnu/$n"
            done
        done
        todo=$next
    done
    for n in libnss_files.so.2 libgcc_s.so.1; do p=$(find "$t" -name "$n" -print -quit); [ -z "$p" ] || cp -L "$p" "$a/usr/lib/x86_64-linux-gnu/"; done
    printf 'root:x:0:0::/:/bin/sh\nasterisk:x:100:100::/:/bin/sh\n' >"$a/etc/passwd"
    printf 'root:x:0:\nasterisk:x:100:\n' >"$a/etc/group"
    printf 'passwd: files\ngroup: files\nhosts: files\n' >"$a/etc/nsswitch.conf"
    echo '127.0.0.1 localhost lab' >"$a/etc/hosts"
    pack "$r" "$CACHE/out/asterisk.cpio"
    d=$(find "$CACHE/asterisk/debs" -name 'asterisk_*.deb')
    echo "Asterisk $(dpkg-deb -f "$d" Version) of $(cat "$CACHE/asterisk/debs/suite")" >"$CACHE/out/asterisk-version"
    rm -rf "$t"
}
