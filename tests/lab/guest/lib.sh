# shellcheck shell=sh
# What scenarios are written with (sourced in the guest, busybox sh). Times are the guest's virtual ones.

LINES_=4                                # ports 1-4 are FXS, 5-8 FXO; FXS n faces FXO n+4

# --- time -----------------------------------------------------------------------------------------

# NOW: milliseconds since the boot, in steps of 10. Without a fork: under emulation a process is the dear thing.
now() { read -r _up _ </proc/uptime; NOW=$((${_up%.*} * 1000 + (1${_up#*.} - 100) * 10)); }
uptime_ms() { now; echo $NOW; }

# wait_for SECONDS COMMAND... - true as soon as the command is, false when the time is over
wait_for() {
	now; _end=$((NOW + $1 * 1000)); shift
	until "$@" >/dev/null 2>&1; do
		now; [ $NOW -lt $_end ] || return 1
		sleep ${POLL:-0.1}
	done
}

# --- checks ---------------------------------------------------------------------------------------

# ok TEXT / fail TEXT - one check's outcome; the text names what was measured
ok() { echo "ok   $*"; echo "ok $*" >>/tmp/checks; }
fail() { echo "FAIL $*"; echo "FAIL $*" >>/tmp/checks; return 1; }
note() { echo "     $*"; }

# check TEXT COMMAND... - ok when the command succeeds; its output is shown when it does not
check() {
	_text=$1; shift
	if "$@" >/tmp/check.out 2>&1; then
		_fig=$(tail -n 1 /tmp/check.out | cut -c1-100)
		ok "$_text${_fig:+: $_fig}"
	else
		_rc=$?
		fail "$_text (status $_rc: $*)"
		sed 's/^/     | /' /tmp/check.out | tail -n 20
		return 1
	fi
}
# check_not TEXT COMMAND... - ok when the command fails
check_not() { _not=$1; shift; if "$@" >/tmp/check.out 2>&1; then fail "$_not ($*)"; else ok "$_not"; fi; }
# check_eq TEXT GOT WANTED, check_between TEXT GOT LEAST MOST
check_eq() { if [ "$2" = "$3" ]; then ok "$1: $2"; else fail "$1: $2, not $3"; fi; }
check_between() { if [ -n "$2" ] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then ok "$1: $2 ($3 to $4)"; else fail "$1: $2, not $3 to $4"; fi; }

# run COMMAND... - in the foreground; leaves RC, TOOK (ms) and the files out and err
run() {
	now; _t=$NOW; RC=0
	"$@" >out 2>err </dev/null || RC=$?
	now; TOOK=$((NOW - _t))
}
# expect_exit CODE COMMAND... - run, and check the exit code
expect_exit() {
	_want=$1; shift
	run "$@"
	if [ $RC = "$_want" ]; then ok "exit $RC after $TOOK ms: $*"; return 0; fi
	fail "exit $RC, not $_want, after $TOOK ms: $*"
	sed 's/^/     out| /' out | tail -n 20; sed 's/^/     err| /' err | tail -n 20
	return 1
}
# json_has FILE JQ-EXPRESSION - check that it is true of the document, or of any line of a stream
json_has() {
	if jq -se "any(.[]; $2)" "$1" >/dev/null 2>/tmp/jq.err; then ok "json $2"; return 0; fi
	fail "json $2 is not true of $1"
	cat /tmp/jq.err "$1" | cut -c1-300 | tail -n 15 | sed 's/^/     | /'
	return 1
}
# json_get FILE JQ-EXPRESSION - print it
json_get() { jq -rs ".[] | $2" "$1"; }

# --- processes ------------------------------------------------------------------------------------

# spawn NAME COMMAND... - in the background; NAME.out, NAME.err, and its pid in NAME.pid
spawn() {
	_name=$1; shift
	# here and not in the background: whoever waits for a name's second life must not be answered by its first
	rm -f $_name.rc $_name.pid $_name.out $_name.err
	( "$@" >$_name.out 2>$_name.err </dev/null & echo $! >$_name.pid; wait $!; echo $? >$_name.rc ) &
	POLL=0.01 wait_for 5 test -s $_name.pid
}
pid_of() { cat "$1.pid"; }
# signal NAME SIGNAL - to a spawned process, by its pid
signal() { kill -"$2" "$(pid_of "$1")"; }
# exit_of NAME SECONDS CODE - check that it ends by itself with this code
exit_of() {
	wait_for "$2" test -s $1.rc || { fail "$1 still runs after $2 s"; return 1; }
	if [ "$(cat $1.rc)" = "$3" ]; then ok "$1 ended with $3"; return 0; fi
	fail "$1 ended with $(cat $1.rc), not $3"
	sed 's/^/     out| /' $1.out | tail -n 20; sed 's/^/     err| /' $1.err | tail -n 20
	return 1
}
# says NAME SECONDS PATTERN - wait until its output (stdout or stderr) has a line like that
says() {
	if wait_for "$2" grep -qhE "$3" $1.out $1.err; then ok "$1 says $(grep -hE "$3" $1.out $1.err | head -n 1 | cut -c1-100)"; return 0; fi
	fail "$1 does not say /$3/ within $2 s"
	tail -n 15 $1.out $1.err | sed 's/^/     | /'
	return 1
}

# --- the lines ------------------------------------------------------------------------------------

# fxo N, fxs N - the channel of line N's port
fxo() { echo $(($1 + LINES_)); }
fxs() { echo "$1"; }

# labparam NAME [VALUE] - a parameter of labline
labparam() { _p=/sys/module/labline/parameters/$1; if [ $# = 1 ]; then cat $_p; else echo "$2" >$_p; fi; }
_mask() { _m=$(labparam "$1"); if [ "$3" = 1 ]; then labparam "$1" $((_m | 1 << ($2 - 1))); else labparam "$1" $((_m & ~(1 << ($2 - 1)))); fi; }
# unplug N, plug N - the cord of line N;  lift N, cradle N - another telephone on it;  dip N MS - no battery
unplug() { _mask unplug "$1" 1; }
plug() { _mask unplug "$1" 0; }
lift() { _mask parallel "$1" 1; }
cradle() { _mask parallel "$1" 0; }
dip() { labparam dip_mask $((1 << ($1 - 1))); labparam dip_ms "$2"; }
# card_out, card_in - the FXO card, as if hot-unplugged
card_out() { labparam remove 1; }
card_in() { labparam remove 0; wait_for 5 test -e "/dev/dahdi/chan/002" && configure; }

# the wires' log (labline): "MS LINE PARTY STATE", whoever has the ports open
wire_clear() { echo >/proc/labline; }
wire_now() { awk 'NR == 1 { print $2 }' /proc/labline; }
wire_log() { grep '^[0-9]' /proc/labline; }
# wire_at LINE "PARTY STATE" [SINCE] - when it last happened, at or after SINCE; false when it did not
wire_at() { awk -v l="$1" -v s="$2" -v from="${3:-0}" 'NR > 1 && $2 == l && $3 " " $4 == s && $1 >= from { t = $1 } END { if (t == "") exit 1; print t }' /proc/labline; }
# wire_wait LINE "PARTY STATE" SECONDS [SINCE]
wire_wait() { wait_for "$3" wire_at "$1" "$2" "${4:-0}"; }
# wire_is LINE PARTY - its state now
wire_is() { sed -n "s/^state $1 .*\b$2=\([a-z]*\).*/\1/p" /proc/labline; }
# flash_widths LINE - how long the FXO port was on-hook between two off-hooks, in ms, one a line
flash_widths() { awk -v l="$1" 'NR > 1 && $2 == l && $3 == "fxo" { if ($4 == "offhook" && on) print $1 - on; on = $4 == "onhook" ? $1 : 0 }' /proc/labline; }
# volts CHANNEL - line voltage in mV as the card measures it
volts() { labphone "$1" volts | awk '/volts/ { print $NF }'; }

configure() { dahdi_cfg -c /lab/$WIRING.conf; }

# --- Asterisk as the exchange ----------------------------------------------------------------------

asterisk_chroot() {
	mount -o bind /dev /ast/dev; mount -o bind /dev/pts /ast/dev/pts
	mount -t proc proc /ast/proc; mount -t tmpfs tmp /ast/tmp
}
# ast COMMAND - on Asterisk's console
ast() { chroot /ast /usr/sbin/asterisk -rx "$*" 2>/dev/null | sed 's/\x1b[^m]*m//g'; }
asterisk_start() {
	rm -f /ast/var/log/asterisk/messages
	chroot /ast /usr/sbin/asterisk -f -n -vvv >/run/asterisk.log 2>&1 </dev/null &
	echo $! >/run/asterisk.pid
	wait_for 30 grep -q 'Asterisk Ready' /run/asterisk.log
}
asterisk_stop() {
	[ -s /run/asterisk.pid ] || return 0
	kill -9 "$(cat /run/asterisk.pid)" 2>/dev/null
	rm -f /run/asterisk.pid /ast/var/run/asterisk/asterisk.*
}
# asterisk_idle - wait until no call is left
asterisk_idle() { POLL=0.5 wait_for "${1:-10}" sh -c 'chroot /ast /usr/sbin/asterisk -rx "core show channels" | grep -q "^0 active channel"'; }

# --- around each scenario --------------------------------------------------------------------------

scenario_setup() {
	modprobe dahdi auto_assign_spans=1 &&	# 0 is the default: spans would wait for user space
	for _m in mg2 kb1 jpah oslec; do modprobe dahdi_echocan_$_m || return 1; done &&
	if [ "$WIRING" = loc ]; then
		modprobe dahdi_dynamic && modprobe dahdi_dynamic_loc
	else
		modprobe labline lines=$LINES_
	fi || { fail "loading the modules for $WIRING"; return 1; }
	configure || { fail "dahdi_cfg"; return 1; }
	# for programs that run dahdi_cfg themselves
	cp /lab/$WIRING.conf /tmp/system.conf
	export TIPRING_IN_LAB=1 TIPRING_LAB_CONF=/tmp/system.conf
	echo "LAB-DAHDI $(cat /sys/module/dahdi/version) $(awk '
		/^Span/ { s = s (s ? "; " : "") $3; n = 0 }
		/^[ \t]+[0-9]+ / { s = s (n++ ? "" : " channels") " " $1; if (n == 1 || $3 != sig) s = s " " $3; sig = $3 }
		END { print s }' /proc/dahdi/*)"
	if [ "$EXCHANGE" = asterisk ]; then
		asterisk_start || { fail "Asterisk does not start"; return 1; }
	fi
	# a fresh office channel reads an off-hook in its first 1250 ms as a flash
	sleep 1.5
}

scenario_teardown() {
	asterisk_stop
	sleep 0.2
	[ "$WIRING" != loc ] || dahdi_cfg -s >/dev/null 2>&1
	for _m in labline dahdi_dynamic_loc dahdi_dynamic dahdi_echocan_oslec dahdi_echocan_mg2 dahdi_echocan_kb1 dahdi_echocan_jpah dahdi; do
		[ ! -d /sys/module/$_m ] || rmmod $_m 2>/tmp/rmmod.err || echo "     rmmod $_m: $(cat /tmp/rmmod.err)"
	done
}

# printed when a scenario failed
scenario_evidence() {
	[ ! -s /run/asterisk.log ] || [ "$EXCHANGE" != asterisk ] || sed 's/\x1b[^m]*m//g' /run/asterisk.log | grep -vE '(Loading|Registered|=>|Remote UNIX)' | tail -n 60 | sed 's/^/ast| /'
	dmesg | grep -v 'echo cancel\|clocksource\|tsc:' | tail -n 15 | sed 's/^/dmesg| /'
}
