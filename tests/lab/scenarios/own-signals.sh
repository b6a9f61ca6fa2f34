# what: SIGINT, SIGTERM and a closed pipe leave the line on-hook, with exit 130
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
for sig in INT TERM; do
	spawn call tipring -v --line dahdi/5 dial 5550100 --hangup-after never
	says call 30 'answered'
	since=$(wire_now); signal call $sig
	exit_of call 2 130
	on_hook_after 1 1 $since
	sleep 3
done
mkfifo pipe
sh -c 'tipring -v --line dahdi/5 dial 5550100 --hangup-after never 2>piped.err >pipe; echo $? >piped.rc' &
sh -c 'exec 3<pipe; sleep 20' &
reader=$!
check "the call is up" wait_for 30 grep -q answered piped.err
since=$(wire_now)
wait $reader
on_hook_after 1 25 $since
check "it ended" wait_for 3 test -s piped.rc
check_eq "exit with the pipe closed" "$(cat piped.rc)" 130
