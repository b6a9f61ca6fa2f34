# what: the driver goes away: refused while a call holds it; span taken away in mid-call, module and DAHDI unloaded: one error each
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
own_exchange us idle 1
spawn call tipring -v --line dahdi/5 --json dial 5550100 --hangup-after never
says call 30 'answered'
check_not "rmmod of a card driver in mid-call is refused" rmmod labline
check "its span is taken away" sh -c 'echo 1 >/sys/bus/dahdi_devices/devices/labline:1/unassign_span'
exit_of call 2 4
json_has call.out '[.steps[] | select(.heard == "device removed")] | length == 1'
exchange_down
check "the card's driver is unloaded" rmmod labline
expect_exit 4 t 1 dial 5550100
check "no channel: what to do" grep -q '^ help: ' err
for m in oslec mg2 kb1 jpah; do rmmod dahdi_echocan_$m; done
check "DAHDI is unloaded" rmmod dahdi
expect_exit 4 t 1 dial 5550100
check "no DAHDI: what to do" grep -q '^ help: ' err
expect_exit 0 tipring --json lines
json_has out '[.lines[] | select(.port | startswith("dahdi/")) | .state] == ["missing"]'
modprobe dahdi auto_assign_spans=1; modprobe dahdi_echocan_mg2; modprobe labline lines=$LINES_
check "loaded and configured again" configure
sleep 1.5
own_exchange us idle 1
expect_exit 10 t 1 dial 5550101
stays_on_hook 1
