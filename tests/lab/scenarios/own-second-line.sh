# what: a second line reaches past a busy target; its cord is pulled in mid-call, and the caller is still with us (exit 21)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring -v --line dahdi/5 --json answer --transfer-to 5550101,5550100 --warm --second-line dahdi/6 --stay 4s
sleep 1
spawn beside tipring exchange run --country us --scenario idle --port dahdi/2
own_exchange us incoming 1
says answer 90 'connected here'
# who wants the second line meanwhile is told who has it
expect_exit 5 t 2 dial 5550100
check "the holder is named" grep -q 'second line' err
unplug 2
exit_of answer 30 21
json_has answer.out '[.steps[] | select(.step == "bridge" and (.result | test("caller is with us")))] | length == 1'
check_eq "flashes on the caller's line" "$(flash_widths 1)" ""
stays_on_hook 1
signal beside TERM
