# what: the far end hangs up: forward disconnect ends the call with exit 14 (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
expect_exit 14 t 1 dial 5550106 --hangup-after 60s
json_has out '[.steps[] | select(.result == "far side hung up") | .heard] | any(contains("forward disconnect"))'
stays_on_hook 1
