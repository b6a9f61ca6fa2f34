# what: a labline pair behaves as an analog card does: hook, ring, caller ID, audio, polarity, voltage, cord
# exchange: none
# wiring: labline

# hook and flash, as the FXS port's driver reports them and as the wire's log has them
spawn office labphone 1 event RINGOFFHOOK 3000 offhook sleep 1000 event WINKFLASH 3000 event ONHOOK 6000
check "off-hook, flash of 500 ms, on-hook" labphone 5 sleep 200 offhook sleep 1500 flash 500 sleep 500 onhook
exit_of office 10 0
check_eq "flash on the wire, ms" "$(flash_widths 1)" 500
check_between "FXS port told of the on-hook after ms" $(awk '/ONHOOK after/ { print int($(NF - 1)) }' office.out) 1200 3500

# ring, caller ID between the rings, answer
sleep 2.5; wire_clear
spawn phone labphone 5 event RINGBEGIN 5000 cid 5551234 6000 event RINGBEGIN 8000 offhook hears 1004 -12 5000 play 440 -10 3000
sleep 2.5
spawn office labphone 1 cadence 2000 4000 ring event RINGEROFF 5000 sleep 500 sendcid 5551234 "Lab Caller" event RINGOFFHOOK 9000 offhook sleep 300 play 1004 -10 1000 hears 440 -12 3000
exit_of phone 30 0
exit_of office 30 0
check_between "ringing on the wire until the answer, ms" $(($(wire_at 1 "fxo offhook") - $(wire_at 1 "fxs ring"))) 0 2000

# on-hook transmission, and none without
sleep 8
spawn phone labphone 5 quiet -50 1000
check "on-hook port hears nothing" labphone 1 play 1004 -10 900
exit_of phone 5 0
spawn phone labphone 5 hears 1004 -12 2000
check "with ONHOOKTRANSFER it does" labphone 1 oht 1500 play 1004 -10 1000
exit_of phone 5 0

# polarity, far-end battery drop
# the office has its port open before the telephone is lifted
spawn phone labphone 5 sleep 500 offhook sleep 800 event POLARITY 3000 event POLARITY 3000 event ONHOOK 3000
check "polarity reversal and disconnect by the FXS port" labphone 1 event RINGOFFHOOK 3000 offhook sleep 1500 polarity 1 sleep 300 polarity 0 sleep 300 onhook sleep 1000
exit_of phone 10 0

# voltage: on-hook, off-hook, another telephone, no cord
check_eq "on-hook, mV" "$(volts 5)" -48000
lift 1; sleep 0.1
check_eq "another telephone off-hook, mV" "$(volts 5)" -7000
check_eq "loop" "$(wire_is 1 loop)" closed
cradle 1; sleep 0.1
check_eq "off-hook, mV" "$(labphone 5 offhook sleep 200 volts | awk '/volts/ { print $NF }')" -7000
sleep 2

# cord out and in
spawn phone labphone 5 event ALARM 4000 alarm 8 1000 volts event NOALARM 4000 alarm 0 1000
sleep 0.5; unplug 1; sleep 1.5; plug 1
exit_of phone 10 0

# battery dips: one that the port's debounce hides, one that reads as a disconnect
spawn phone labphone 5 offhook sleep 1500 noevent ONHOOK 1000 event ONHOOK 3000
sleep 2; dip 1 40; sleep 1.5; dip 1 400
exit_of phone 10 0
