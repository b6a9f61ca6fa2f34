# what: the same warm transfer past a busy target on cross-connected dahdi_dynamic_loc spans (own exchange)
# exchange: own
# wiring: loc
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to busy,answers --warm
sleep 1
own_exchange us incoming 1
exit_of answer 120 0
json_has answer.out '.transfer.target == "answers"'
