# what: two processes want one line: the loser is told who holds it; a foreign program that holds it is named too
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 dial 5550100 --hangup-after 20s
says call 30 'answered'
expect_exit 5 t 1 dial 5550101
check "our pid is named" grep -q "$(pid_of call)" err
expect_exit 0 t 1 hangup
exit_of call 3 0
spawn other labphone 5 sleep 8000
sleep 1
expect_exit 5 t 1 dial 5550101
check "the foreign process is named" grep -q "$(pid_of other)" err
expect_exit 10 tipring --line dahdi/5 --wait 20s dial 5550101
