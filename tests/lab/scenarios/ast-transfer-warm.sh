# what: warm transfer through Asterisk's own flash logic: caller and target hear each other afterwards, both ways
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to 103 --warm
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 8000 play 1004 -10 26000 hears 700 -16 30000 sleep 500 play 1004 -10 8000
spawn c labphone 7 event RINGBEGIN 60000 sleep 1500 offhook sleep 500 play 700 -10 4000 sleep 2000 hears 1004 -16 30000 play 700 -10 20000
exit_of answer 90 0
json_has answer.out '.outcome == "transferred" and .transfer.target == "103"'
json_has answer.out '[.steps[] | select(.step == "dial" and .result == "answered")] | length == 1'
exit_of c 60 0
exit_of b 60 0
stays_on_hook 1
