# what: kill -9 of the line owner in mid-call: on-hook within a second, and the line is free for the next
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 dial 5550100 --hangup-after never
says call 30 'answered'
since=$(wire_now); signal call KILL
on_hook_after 1 1 $since
sleep 3
expect_exit 10 t 1 dial 5550101
