# what: flash widths on the wire as asked for, and what our own exchange makes of them (kernel: 200 to 1250 ms is a flash)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 dial 5550100 --hangup-after 60s
says call 30 'answered'
wire_clear
for ms in 100 300 600 900; do
	run t 1 flash --width ${ms}ms
	check_eq "flash $ms exits" $RC 0
	got=$(flash_widths 1 | tail -n 1)
	check_between "flash of $ms ms, measured on the wire" "$got" $((ms - 20)) $((ms + 20))
	heard=$(json_get out .heard)
	note "heard after $ms ms: $heard"
	case $ms in
		100) check_eq "too short: nothing is heard" "$heard" "nothing new";;
		300) case $heard in *dial*) ok "recall tone after $ms ms: $heard";; *) fail "no recall tone after $ms ms: $heard";; esac;;
	esac
	sleep 3
done
t1=$(wire_now); expect_exit 0 t 1 hangup
on_hook_after 1 2 $t1
