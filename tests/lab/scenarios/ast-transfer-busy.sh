# what: the target is busy at Asterisk: flash back, the caller is there (exit 20); hanging up then would have dropped him
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn c labphone 7 offhook sleep 60000
spawn answer tipring --line dahdi/5 --json answer --transfer-to 103 --warm --stay 8s --record call.wav
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 40000
exit_of answer 90 20
json_has answer.out '[.steps[] | select(.step == "dial") | .heard] == ["busy"]'
json_has answer.out '[.steps[] | select(.result == "caller is back")] | length >= 1'
# the recording's last second, heard side: the caller's 1004 Hz is on our line again
check "recorded" test -s call.wav
signal b TERM; signal c TERM
