# what: Asterisk serves the FXS ports: dial tone, echo application, ring with caller ID, talk, disconnect
# exchange: asterisk
# wiring: labline
ast core show version; ast dahdi show channels
check "dial tone, 600, own voice comes back" labphone 5 offhook hears 350+440 -25 3000 dial T600 sleep 3000 play 1004 -10 1500 hear 1004 300
check "asterisk idle" asterisk_idle
sleep 3
spawn callee labphone 6 event RINGBEGIN 12000 cid 5551001 8000 event RINGBEGIN 8000 offhook hears 1004 -16 8000 event ONHOOK 20000
sleep 2.5    # a port that was just opened does not report ringing for 2 s
check "102 is called, and talked to" labphone 5 offhook hears 350+440 -25 3000 dial T102 hears 440+480 -25 6000 play 1004 -10 16000
exit_of callee 20 0
check "asterisk idle" asterisk_idle
