# what: Asterisk's own flash logic by hand: warm transfer, cold transfer, back from a busy target, too short a flash
# exchange: asterisk
# wiring: labline
# B (line 2) calls A (line 1), who transfers to C (line 3)
incoming="event RINGBEGIN 15000 offhook sleep 800 hears 1004 -16 8000"
calls_a="offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 6000"

spawn b labphone 6 $calls_a hears 700 -16 30000
spawn c labphone 7 event RINGBEGIN 40000 sleep 1500 offhook sleep 500 play 700 -10 12000
check "warm: answered, flash, recall dial tone, C consulted, on-hook" labphone 5 $incoming flash 500 hears 350+440 -25 3000 dial T103 hears 700 -16 15000 onhook
exit_of b 40 0; exit_of c 40 0
check "asterisk idle" asterisk_idle; sleep 3

spawn b labphone 6 $calls_a sleep 3000 play 1004 -10 20000
spawn c labphone 7 event RINGBEGIN 40000 sleep 7000 offhook hears 1004 -16 12000
check "cold: on-hook while C rings" labphone 5 $incoming flash 500 hears 350+440 -25 3000 dial T103 hears 440+480 -25 6000 onhook
exit_of b 60 0; exit_of c 60 0
check "asterisk idle" asterisk_idle; sleep 3

spawn c labphone 7 offhook sleep 45000
spawn b labphone 6 $calls_a play 1004 -10 20000
check "busy: busy tone, flash, and B is back" labphone 5 $incoming flash 500 hears 350+440 -25 3000 dial T103 hears 480+620 -25 8000 flash 500 hears 1004 -16 5000
exit_of b 60 0; exit_of c 60 0
check "asterisk idle" asterisk_idle; sleep 3

spawn b labphone 6 $calls_a play 1004 -10 6000
check "a flash of 100 ms is no flash to this exchange" labphone 5 $incoming flash 100 sleep 500 hears 1004 -16 2000
