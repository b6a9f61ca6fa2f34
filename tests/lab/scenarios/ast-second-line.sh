# what: a call moved over a second line, both at Asterisk: caller and target hear each other through us, and nothing is flashed
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring -v --line dahdi/5 --json answer --transfer-to 104 --warm --second-line dahdi/6
sleep 1
spawn b labphone 7 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 30000 hears 700 -25 30000 sleep 1000
spawn c labphone 8 event RINGBEGIN 60000 sleep 1500 offhook sleep 500 play 700 -10 4000 hears 1004 -25 30000 play 700 -10 60000
says answer 60 'connected here'
exit_of b 100 0
# the caller has hung up: Asterisk says so, and both lines are let go
exit_of answer 20 0
json_has answer.out '.outcome == "bridged" and .transfer.target == "104"'
check_eq "flashes on the caller's line" "$(flash_widths 1)" ""
stays_on_hook 1
stays_on_hook 2
exit_of c 90 0
