# what: what DAHDI does to a program when its card goes away, and that the card comes back
# exchange: none
# wiring: labline
spawn owner labphone 5 offhook sleep 500 event REMOVED 5000 ioerror read 3000
spawn other labphone 6 sleep 10000
wire_wait 1 "fxo offhook" 5; sleep 1
check_not "rmmod while a channel is open is refused" rmmod labline
card_out
check "line on-hook when its card is gone" wire_wait 1 "fxo onhook" 2
exit_of owner 10 0
says owner 1 'No such device'
check "FXO span gone" wait_for 3 sh -c '! test -e /proc/dahdi/2'
check_not "channel 5 gone" labphone 5 volts
card_in
check "card back and configured" labphone 5 offhook sleep 700 volts
signal other KILL

# the same for one span, by DAHDI's own sysfs files
spawn owner labphone 5 event REMOVED 5000
sleep 0.5
check "unassign_span" sh -c 'echo 1 >/sys/bus/dahdi_devices/devices/labline:1/unassign_span'
exit_of owner 5 0
check "assign_span" sh -c 'echo auto >/sys/bus/dahdi_devices/devices/labline:1/auto_assign'
check "configured again" configure
check "and usable" labphone 5 offhook sleep 300
