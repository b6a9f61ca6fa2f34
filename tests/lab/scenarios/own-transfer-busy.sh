# what: the only target is busy: exit 20, the caller is back and heard, never hung up on (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to 5550101 --warm --stay 3s
sleep 1
own_exchange us incoming 1
exit_of answer 90 20
json_has answer.out '[.steps[] | select(.result == "caller is back")] | length == 1'
json_has answer.out '[.steps[] | select(.step == "hang-up")] | length == 0'
stays_on_hook 1
