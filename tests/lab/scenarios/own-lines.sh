# what: `lines` and `watch` on real channels: kinds, states, who holds what; an FXS port cannot dial
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
run tipring --json lines
json_has out '[.lines[] | select(.port | startswith("dahdi/"))] | length == 8'
json_has out '[.lines[] | select(.port == "dahdi/1")][0].kind == "FXS"'
json_has out '[.lines[] | select(.port == "dahdi/5")][0].kind == "FXO"'
expect_exit 4 tipring --line dahdi/1 dial 5550100
expect_exit 4 tipring --line dahdi/99 dial 5550100
check "the mending line" grep -q '^ help: ' err
spawn watch tipring --line dahdi/5 --timeout 15s watch
sleep 1
own_exchange us incoming 1
says watch 12 'ringing 1'
says watch 8 'caller ID 5551234'
exit_of watch 16 0
run tipring --json lines
json_has out '[.lines[] | select(.port == "dahdi/1")][0].state == "in use"'
