# what: cross-connected dahdi_dynamic_loc spans: hook, flash, ring, dialling, audio, span alarm
# exchange: none
# wiring: loc
check_eq "spans" "$(ls /proc/dahdi | wc -l)" 2
spawn office labphone 1 event RINGOFFHOOK 3000 offhook sleep 1000 event WINKFLASH 4000 event ONHOOK 6000
check "off-hook, flash, on-hook" labphone 5 sleep 200 offhook sleep 1500 flash 500 sleep 500 onhook
exit_of office 10 0
spawn phone labphone 5 event RINGBEGIN 8000 event RINGBEGIN 9000 offhook hears 350+440 -20 3000 sleep 2000 dial T5551234 sleep 500
sleep 2.5
spawn office labphone 1 ring event RINGOFFHOOK 12000 offhook sleep 300 tone dial sleep 1500 tone stop digits 5551234 8000 onhook sleep 1000
exit_of phone 30 0
exit_of office 30 0
check_not "no line voltage on loc" labphone 5 volts
spawn phone labphone 5 event ALARM 5000 alarm 8 1000
sleep 0.5
check "far span destroyed" labphone 0 destroyloc 1:0
exit_of phone 10 0
