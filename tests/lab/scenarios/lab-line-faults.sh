# what: loss, noise, hybrid echo and a parallel telephone on a labline pair
# exchange: none
# wiring: labline
heard() { awk '/hears/ { print int($(NF - 1) * 10) }' "$1"; }
# talk ACTION... - line 1 in a call, the FXS port plays 1004 Hz at -10 dBm0, the FXO port does ACTION
talk() {
	spawn office labphone 1 event RINGOFFHOOK 5000 offhook sleep 500 play 1004 -10 3000
	run labphone 5 sleep 300 offhook sleep 1500 "$@"
	wait_for 10 test -s office.rc; sleep 2.5
}
talk hear 1004 1000; check_between "no loss, 1/10 dBm0" "$(heard out)" -103 -97
labparam loss_db10 60
talk hear 1004 1000; check_between "loss of 6 dB" "$(heard out)" -166 -154
labparam loss_db10 0; lift 2; lift 1
spawn office labphone 1 sleep 300 offhook sleep 700 play 1004 -10 3000
run labphone 5 sleep 300 offhook sleep 1500 hear 1004 1000
check_between "with another telephone on the line" "$(heard out)" -142 -128
cradle 1; cradle 2; sleep 3
labparam noise 400
spawn office labphone 1 event RINGOFFHOOK 5000 offhook sleep 3000
run labphone 5 sleep 300 offhook sleep 1000 quiet 0 1000
check_between "noise alone, dBm0" "$(awk '/loudest/ { print int($(NF - 1)) }' out)" -42 -35
labparam noise 0; sleep 3
labparam echo_fxo 64
spawn office labphone 1 event RINGOFFHOOK 5000 offhook sleep 4000
spawn player labphone 5 sleep 300 offhook sleep 700 play 1004 -10 1000 hear 1004 60
exit_of player 10 0
labparam echo_fxo 0
