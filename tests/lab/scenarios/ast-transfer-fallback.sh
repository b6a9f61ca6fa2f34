# what: two targets at Asterisk: the first busy, the second answers: one command, both steps proven
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn d labphone 8 offhook sleep 90000
spawn answer tipring --line dahdi/5 --json answer --transfer-to 104,103 --warm
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 60000
spawn c labphone 7 event RINGBEGIN 60000 sleep 1500 offhook sleep 500 play 700 -10 6000 hears 1004 -16 20000
exit_of answer 120 0
json_has answer.out '.transfer.target == "103"'
exit_of c 40 0
signal b TERM; signal d TERM
