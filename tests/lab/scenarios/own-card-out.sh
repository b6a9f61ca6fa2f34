# what: the card is hot-unplugged in mid-call: told, exit 4, no hang; gone it is one clear error; back again it works
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 --json dial 5550100 --hangup-after never
says call 30 'answered'
card_out
exit_of call 2 4
json_has call.out '[.steps[] | select(.heard == "device removed")] | length == 1'
# the kernel keeps a removed channel for a second
sleep 2
expect_exit 4 t 1 dial 5550100
check "one error that says what is missing" grep -q '^cause: ' err
card_in
sleep 2
expect_exit 10 t 1 dial 5550101
stays_on_hook 1
