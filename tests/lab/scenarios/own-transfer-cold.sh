# what: a cold transfer leaves on ringback and is proven (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to 5550115
sleep 1
own_exchange us incoming 1
exit_of answer 90 0
json_has answer.out '[.steps[] | select(.step == "dial") | .result] == ["alerting"]'
json_has answer.out '.outcome == "transferred"'
