# what: a process killed with a line off-hook leaves it on-hook, by the kernel's doing
# exchange: none
# wiring: labline
spawn owner labphone 5 offhook sleep 60000
check "off-hook" wire_wait 1 "fxo offhook" 3
check_not "a second process is refused" labphone 5 volts
t=$(wire_now); signal owner KILL
check "on-hook" wire_wait 1 "fxo onhook" 3 $t
check_between "after the kill, ms" $(($(wire_at 1 "fxo onhook" $t) - t)) 0 1000
