# what: cold transfer through Asterisk's own flash logic: we leave while the target rings, it answers and has the caller
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer --transfer-to 103
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 20000 play 1004 -10 20000
spawn c labphone 7 event RINGBEGIN 60000 sleep 9000 offhook hears 1004 -16 25000
exit_of answer 90 0
json_has answer.out '[.steps[] | select(.step == "dial") | .result] == ["alerting"]'
exit_of c 60 0
