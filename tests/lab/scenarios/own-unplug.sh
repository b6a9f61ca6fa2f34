# what: the cord is pulled in mid-call: the alarm is told and the call ends with its code; back in, the line works
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 --json dial 5550100 --hangup-after never
says call 30 'answered'
unplug 1
exit_of call 6 6
json_has call.out '[.steps[] | select(.step == "talk" and .result == "line-lost") | .heard] | any(test("alarm|battery"))'
expect_exit 6 t 1 dial 5550100
check "the line is told to be in alarm" grep -qi alarm err
run tipring --json lines
json_has out '[.lines[] | select(.port == "dahdi/5")][0] | (.state + " " + (.detail // "")) | test("alarm"; "i")'
plug 1
sleep 3
expect_exit 10 t 1 dial 5550101
