# what: Asterisk on cross-connected loc spans: dial tone and a call
# exchange: asterisk
# wiring: loc
spawn callee labphone 6 event RINGBEGIN 12000 event RINGBEGIN 8000 offhook hears 1004 -16 8000
sleep 2.5    # a port that was just opened does not report ringing for 2 s
check "dial tone, 102 is called, and talked to" labphone 5 offhook hears 350+440 -25 3000 dial T102 hears 440+480 -25 6000 play 1004 -10 16000
exit_of callee 20 0
check "asterisk idle" asterisk_idle
