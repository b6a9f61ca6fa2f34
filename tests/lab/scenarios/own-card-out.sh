# what: the card is hot-unplugged in mid-call: one clear error, exit 4, no hang, and back again it works
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 --json dial 5550100 --hangup-after never
says call 30 'answered'
card_out
exit_of call 4 4
expect_exit 4 t 1 dial 5550100
check "one error that says what is missing" grep -q '^cause: ' err
