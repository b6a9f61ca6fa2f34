# what: three-way by Asterisk's own flash logic: flash, dial, flash; B and C hear each other, and our hang-up leaves them together
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring -v --line dahdi/5 --json answer
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 30000 hears 700 -16 30000 sleep 12000 play 1004 -10 15000
says answer 30 'call +answer'
sleep 3
spawn c labphone 7 event RINGBEGIN 60000 sleep 1500 offhook sleep 500 play 700 -10 4000 hears 1004 -16 30000 play 700 -10 25000 hears 1004 -16 30000
expect_exit 0 t 1 flash
json_has out '.heard == "recall" or .heard == "dial"'
expect_exit 0 t 1 dtmf 103
says answer 30 '700Hz ended'
expect_exit 0 t 1 flash
# three parties: what B plays C hears, and the other way about
sleep 20
expect_exit 0 t 1 hangup
exit_of answer 10 0
exit_of c 60 0
exit_of b 60 0
stays_on_hook 1
