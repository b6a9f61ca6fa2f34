#!/bin/sh
# Runs the scenarios of /lab/run one after the other, each on freshly loaded modules, and says on the
# console how each went:
#   LAB-GUEST ...   LAB-BEGIN name   ok|FAIL check...   LAB-END name ok|FAIL seconds   LAB-DONE
. /lab/lib.sh
[ ! -d /ast ] || asterisk_chroot
echo "LAB-GUEST kernel $(uname -r) memory $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MB booted in $(cut -d' ' -f1 /proc/uptime) s"

while read -r name <&9; do
	echo "LAB-BEGIN $name"
	start=$(uptime_ms)
	rm -rf /tmp/*; mkdir -p /tmp/s; : >/tmp/checks
	header() { sed -n "/^#/!q; s/^# $1: *//p" /lab/scenarios/$name.sh; }
	WIRING=$(header wiring) EXCHANGE=$(header exchange) limit=$(header timeout)
	export WIRING EXCHANGE
	# in a process group of its own, so that the watchdog and the cleaning up reach all of it
	setsid sh -c '. /lab/lib.sh; cd /tmp/s; scenario_setup || exit 99; . "$0"' /lab/scenarios/$name.sh </dev/null 2>&1 9<&- &
	pid=$!
	( sleep ${limit:-300}; echo "FAIL not done after ${limit:-300} s of virtual time"; echo FAIL >>/tmp/checks; kill -9 -$pid ) 9<&- 2>/dev/null & dog=$!
	wait $pid; rc=$?
	kill $dog 2>/dev/null; wait $dog 2>/dev/null
	kill -9 -$pid 2>/dev/null
	scenario_teardown
	passed=$(grep -c '^ok' /tmp/checks); failed=$(grep -c '^FAIL' /tmp/checks)
	[ $rc = 0 ] || { echo "FAIL the scenario ended with status $rc"; failed=$((failed + 1)); }
	[ $passed -gt 0 ] || [ $failed -gt 0 ] || { echo "FAIL the scenario checked nothing"; failed=1; }
	[ $failed = 0 ] && status=ok || { status=FAIL; scenario_evidence; }
	took=$(($(uptime_ms) - start))
	echo "LAB-END $name $status $((took / 1000)).$(printf %03d $((took % 1000))) $passed passed $failed failed"
done 9</lab/run
echo LAB-DONE
