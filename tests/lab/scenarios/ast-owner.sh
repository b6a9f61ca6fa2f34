# what: the call is held by one process and transferred by another through its socket, at Asterisk
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring -v --line dahdi/5 --json answer
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 60000
says answer 30 'call +answer'
sleep 3
spawn c labphone 7 event RINGBEGIN 60000 sleep 1500 offhook sleep 500 play 700 -10 15000
expect_exit 0 t 1 transfer 103 --warm
json_has out '.schema == "tipring.transfer/1" and .result == "transferred"'
exit_of answer 10 0
signal b TERM
