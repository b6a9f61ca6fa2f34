# what: a call is answered and moved warm: first target busy, second silent, third accepts, proven (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to busy,silent,answers --warm
sleep 1
own_exchange us incoming 1
exit_of answer 180 0
json_has answer.out '.transfer.target == "answers"'
json_has answer.out '[.steps[] | select(.step == "dial") | .heard] | contains(["busy"])'
json_has answer.out '[.steps[] | select(.step == "back" and .result == "caller is back")] | length == 2'
json_has answer.out '.transfer.proof | length == 2'
stays_on_hook 1
