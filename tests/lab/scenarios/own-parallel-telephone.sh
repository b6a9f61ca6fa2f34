# what: another telephone on the pair: the line is not seized (exit 5), a flash that it hides is named (exit 22), a call it answers is left to it
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
lift 1; sleep 1
expect_exit 5 t 1 dial 5550100
check "the voltage is told" grep -q 'another telephone on the line is lifted: 7.0 V' err
check_eq "closures of our loop" "$(wire_log | grep -c 'fxo offhook')" 0
spawn waiting tipring --line dahdi/5 --wait 30s --json dial 5550100
sleep 2; cradle 1
exit_of waiting 60 0
exchange_down; sleep 3
spawn answer tipring -v --line dahdi/5 --json answer --transfer-to 5550100 --warm
sleep 1
own_exchange us incoming 1
says answer 60 'off-hook'
lift 1
exit_of answer 90 22
json_has answer.out '[.steps[] | select(.step == "flash")] | length == 1 and (.[0].heard | test("another telephone"))'
cradle 1
exchange_down; sleep 3
stays_on_hook 1
spawn answer tipring -v --line dahdi/5 --json answer --within 20s
sleep 1
own_exchange us incoming 1
says answer 60 'ring'
lift 1
exit_of answer 60 75
json_has answer.out '[.. | strings] | any(test("answered there"))'
cradle 1
exchange_down
